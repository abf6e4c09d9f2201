"""What the program does to a user's files and places: nothing is lost, and what cannot be written is said in words."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from support.servers import PATIENCE, until
from typer.testing import CliRunner

from bridge.cli import app as program
from bridge.cli import making
from bridge.errors import BridgeError
from bridge.ports import free_port

FONT = "/usr/share/sounds/sf2/TimGM6mb.sf2"


def test_the_song_itself_is_never_replaced(refused, stemweave, song):
    drums = song.rename(song.parent / "drums.wav")
    before = drums.read_bytes()
    process = stemweave("separate", drums, "-o", ".", "--server", "none", "--overwrite")
    refused(process, "would replace what it is made from", "another folder")
    (song.parent / "out").mkdir()
    (song.parent / "out" / "bass.wav").symlink_to(drums)
    refused(
        stemweave("separate", drums, "-o", "out", "--server", "none", "--overwrite"),
        "would replace what it is made from",
    )
    assert drums.read_bytes() == before


def test_a_recipe_of_another_program_is_never_replaced(refused, stemweave, song):
    (song.parent / "out").mkdir()
    mine = song.parent / "out" / "recipe.json"
    mine.write_text('{"soup": 4}')
    command = ("separate", song, "-o", "out", "--server", "none", "--overwrite")
    refused(stemweave(*command), "already holds recipe.json, which stemweave did not write")
    assert [path.read_text() for path in mine.parent.iterdir()] == ['{"soup": 4}']
    mine.rename(song.parent / "soup.json")
    for _ in range(2):  # its own it replaces
        assert stemweave(*command).returncode == 0


@pytest.mark.parametrize("name", ["drums.wav", "mixture.wav", "spectrograms.png"])
def test_the_demo_replaces_nothing_but_what_a_demo_wrote(refused, stemweave, song, name):
    (song.parent / "takes").mkdir()
    mine = song.rename(song.parent / "takes" / name)
    before = mine.read_bytes()
    refused(stemweave("demo", "-o", "takes"), f"takes already holds {name}", "another folder")
    assert list(mine.parent.iterdir()) == [mine]
    assert mine.read_bytes() == before


def test_brackets_in_names_are_kept(stemweave, song):
    take = song.rename(song.parent / "take [final].wav")
    process = stemweave("separate", take, "-o", "stems [bold]", "--server", "none")
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[0] == "stems [bold]/bass.wav"
    assert (song.parent / "stems [bold]" / "bass.wav").exists()


def test_an_error_keeps_brackets_too(refused, stemweave):
    refused(stemweave("separate", "no [such].wav", "-o", "out"), "There is no file no [such].wav")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["separate", "song.wav", "-o", "song.wav", "--server", "none"], "song.wav is a file, not a folder"),
        (["data", "render", "song.wav", "--songs", "1", "--seconds", "3", "--font", FONT], "song.wav"),
        (["demo", "-o", "song.wav"], "song.wav"),
        (["demo", "-o", "song.wav/inside"], "song.wav/inside"),
        (["evaluate", "--tracks", "nowhere", "--json", "song.wav/report.json"], "song.wav/report.json"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_a_place_that_cannot_be_written_is_named(refused, stemweave, song, command, words):
    refused(stemweave(*command), words)
    assert soundfile.info(song).frames == 20_000


def test_a_full_disk_is_said_and_a_fault_of_ours_is_not_hidden(monkeypatch, capsys):
    def fail_with(error: OSError):
        def fail(**_):
            raise error

        monkeypatch.setattr(program, "app", fail)

    fail_with(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 1
    assert "No space left" in capsys.readouterr().err
    fail_with(OSError(errno.EBADF, "Bad file descriptor"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        program.main()


@pytest.fixture
def alone(monkeypatch, home, song):
    """Runs `separate` in this process, nobody answering at the usual address. Gives back (result, that address)."""
    address = f"tcp://127.0.0.1:{free_port()}"
    monkeypatch.setenv("STEMWEAVE_MODELS", str(home / "models"))
    monkeypatch.setattr(making, "ADDRESS", address)

    def run(*options: str):
        command = ["separate", str(song), "-o", str(song.parent / "out"), *options]
        return CliRunner().invoke(program.app, command)

    return run, address


def test_without_a_server_it_works_alone(alone, song):
    run, _ = alone
    result = run()
    assert result.exit_code == 0, result.output
    assert len(list((song.parent / "out").glob("*.wav"))) == 5


def test_a_separation_can_be_made_again_from_another_folder(alone, song, tmp_path, monkeypatch):
    def run(*command: object) -> None:
        result = CliRunner().invoke(program.app, list(map(str, command)))
        assert result.exit_code == 0, result.output

    monkeypatch.chdir(song.parent)
    run("separate", song.name, "-o", "out", "--backend", "torch")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run("redo", song.parent / "out" / "bass.wav", "-o", "again")
    first, again = (soundfile.read(folder / "bass.wav")[0] for folder in (song.parent / "out", Path("again")))
    np.testing.assert_array_equal(again, first)


def test_the_usual_address_by_name_asks_for_a_server(alone, song):
    run, address = alone
    result = run("--server", address)
    assert isinstance(result.exception, BridgeError)
    assert address in str(result.exception)
    assert not list((song.parent / "out").glob("*.wav"))


@pytest.mark.parametrize("seed", [str(2**63), "-1", "9" * 40, "blue"])
def test_a_seed_no_message_can_carry_is_wrong_usage(alone, seed):
    run, _ = alone
    result = run("--seed", seed)
    assert result.exit_code == 2
    assert "--seed" in result.output


def test_a_model_by_its_folder_means_the_same_to_a_server(stemweave, served, song, home):
    port, _ = served
    folder = os.path.relpath(home / "models" / "default", song.parent)
    address = f"tcp://127.0.0.1:{port}"
    process = stemweave("separate", song, "-o", "out", "--server", address, "--model", folder)
    assert process.returncode == 0, process.stderr


def test_stems_of_another_set_of_sources_replace_nothing_either(alone, monkeypatch, song):
    """A server may have another model under the same name: what it gives is known only in the end."""
    (song.parent / "out").mkdir()
    (song.parent / "out" / "voice.wav").write_text("mine")
    monkeypatch.setattr(
        making, "run", lambda request, *_: ({"voice": np.zeros(request.mixture.shape)} for _ in range(1))
    )
    run, _ = alone
    assert "already holds voice.wav" in str(run().exception)
    assert (song.parent / "out" / "voice.wav").read_text() == "mine"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_demo_that_is_ended_leaves_no_server(stemweave, tmp_path, number, code):
    command = [sys.executable, "-m", "bridge", "demo", "-o", str(tmp_path / "demo")]
    process = subprocess.Popen(command, env=stemweave.environment, stderr=subprocess.PIPE, text=True)
    parent = psutil.Process(process.pid)
    # The server, and its worker or what watches over it.
    children = until(lambda: len(found := parent.children(recursive=True)) > 1 and found, "a server and its worker")
    process.send_signal(number)
    _, words = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, words
    assert "Traceback" not in words
    _, left = psutil.wait_procs(children, timeout=PATIENCE)
    assert not left
