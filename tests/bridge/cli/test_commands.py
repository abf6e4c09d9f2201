"""The command line as a user meets it: a process of its own, its words, its exit code. Every bad input has its message."""

import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.audio import BAD, bad
from support.servers import PATIENCE, address, running, until
from typer.main import get_command
from typer.testing import CliRunner

from bridge.cli import making
from bridge.cli.app import app
from bridge.client import ADDRESS
from bridge.ports import free_port
from bridge.server import Server
from bridge.workers import PERFORM

RATE = 44100


def separated(stemweave, song, *more) -> subprocess.CompletedProcess:
    return stemweave("separate", song, "-o", song.parent / "out", "--server", "none", *more)


def test_separate_writes_stems_that_sum_to_the_song(stemweave, song):
    process = separated(stemweave, song, "--json")
    assert process.returncode == 0, process.stderr
    stems = json.loads(process.stdout)["stems"]
    assert list(stems) == ["bass", "drums", "guitar", "piano", "residual"]
    total = sum(soundfile.read(path)[0] for path in stems.values())
    np.testing.assert_allclose(total, soundfile.read(song)[0], atol=1e-6)
    assert soundfile.info(stems["bass"]).samplerate == RATE


def test_only_the_stems_that_are_wanted_are_written_and_the_rest_is_the_residual(refused, stemweave, song, tmp_path):
    assert separated(stemweave, song, "--json").returncode == 0
    process = stemweave(
        "separate", song, "-o", tmp_path / "two", "--want", "piano", "--want", "drums", "--server", "none"
    )
    assert process.returncode == 0, process.stderr
    again = stemweave("redo", tmp_path / "two" / "drums.wav", "-o", tmp_path / "again", "--server", "none")
    assert again.returncode == 0, again.stderr
    for folder in (tmp_path / "two", tmp_path / "again"):
        found = {path.stem: soundfile.read(path)[0] for path in folder.glob("*.wav")}
        assert found.keys() == {"drums", "piano", "residual"}
        assert np.array_equal(found["drums"], soundfile.read(song.parent / "out" / "drums.wav")[0])
        np.testing.assert_allclose(sum(found.values()), soundfile.read(song)[0], atol=1e-6)
    refused(separated(stemweave, song, "--overwrite", "--want", "kazoo"), "no source called 'kazoo'")


def test_stems_are_not_overwritten_without_being_asked_to(refused, stemweave, song):
    assert separated(stemweave, song).returncode == 0
    refused(separated(stemweave, song), "already holds bass.wav", "--overwrite")
    assert separated(stemweave, song, "--overwrite").returncode == 0


@pytest.mark.parametrize(("kind", "words"), BAD.items())
def test_bad_audio_is_refused_with_its_message(refused, stemweave, tmp_path, kind, words):
    refused(stemweave("separate", bad(tmp_path, kind), "-o", tmp_path / "out", "--server", "none"), words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "samples",
    [np.full((1, 2), 0.5), np.zeros((5000, 2)), 10 * np.sin(np.arange(5000) / 9)[:, None]],
    ids=["one sample", "silence", "20 dB over full scale"],
)
def test_odd_audio_is_separated_all_the_same(stemweave, tmp_path, samples):
    soundfile.write(tmp_path / "odd.wav", samples, RATE, subtype="FLOAT")
    process = separated(stemweave, tmp_path / "odd.wav", "--json")
    assert process.returncode == 0, process.stderr
    total = sum(soundfile.read(path, always_2d=True)[0] for path in json.loads(process.stdout)["stems"].values())
    np.testing.assert_allclose(total, samples, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nobody"], "There is no model called 'nobody'"),
        (["--preset", "nothing"], "There is no preset called 'nothing'"),
        (["--likelihood", "magic"], "There is no likelihood called 'magic'"),
        (["--steps", "0"], "'steps' must be between 1 and 10000"),
        (["--backend", "abacus"], "There is no back end called 'abacus'"),
        (["--play", "kazoo"], "There is no stem called 'kazoo'"),
    ],
)
def test_unknown_choices_are_named_with_what_there_is(refused, stemweave, song, options, words):
    refused(separated(stemweave, song, *options), words)
    assert not list((song.parent / "out").glob("*.wav")) if (song.parent / "out").exists() else True


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(refused, stemweave, song, tmp_path):
    (tmp_path / "file").write_text("")
    refused(stemweave("separate", song, "-o", tmp_path / "file" / "out", "--server", "none"), "Cannot write in")


PLAYER = """
import numpy
class PortAudioError(Exception):
    pass
def play(samples, rate, blocking):
    numpy.savez("played.npz", samples=samples, rate=rate, blocking=blocking)
"""


def test_play_plays_the_stem_that_was_written(stemweave, song):
    (song.parent / "player").mkdir()
    (song.parent / "player" / "sounddevice.py").write_text(PLAYER)
    stemweave.environment["PYTHONPATH"] = os.pathsep.join(
        [str(song.parent / "player"), stemweave.environment["PYTHONPATH"]]
    )
    process = separated(stemweave, song, "--play", "bass")
    assert process.returncode == 0, process.stderr
    with np.load(song.parent / "played.npz") as played:
        assert np.array_equal(played["samples"], soundfile.read(song.parent / "out" / "bass.wav", dtype="float32")[0])
        assert (played["rate"], played["blocking"]) == (RATE, True)


def test_a_server_that_is_named_but_not_there_is_told(refused, stemweave, song):
    refused(
        stemweave("separate", song, "-o", song.parent / "out", "--server", "tcp://127.0.0.1:9"), "No stemweave server"
    )


def test_separate_by_a_server_gives_what_separate_alone_gives(stemweave, served, song):
    port, _ = served
    process = stemweave("separate", song, "-o", song.parent / "by", "--server", f"tcp://127.0.0.1:{port}", "--json")
    assert process.returncode == 0, process.stderr
    assert "by the server" in process.stderr
    separated(stemweave, song)
    for path in json.loads(process.stdout)["stems"].values():
        here = soundfile.read(song.parent / "out" / Path(path).name)[0]
        np.testing.assert_allclose(soundfile.read(path)[0], here, atol=1e-6)
    for folder in ("by", "out"):
        recipe = json.loads((song.parent / folder / "recipe.json").read_text())["stemweave"]
        assert recipe["preset"]["backend"] == "torch"  # what `auto` meant, by name


@pytest.mark.parametrize(("options", "device"), [([], "cpu:0"), (["--device", "cpu"], "cpu")])
def test_the_servers_device_computes_where_nobody_names_one_and_is_in_the_recipe(
    stemweave, home, song, monkeypatch, options, device
):
    monkeypatch.setenv("STEMWEAVE_MODELS", str(home / "models"))
    with running(PERFORM, device="cpu:0", folders=[home.parent]) as server:
        options = [*options, "--server", address(server), "--backend", "torch"]
        process = stemweave("separate", song, "-o", song.parent / "out", *options)
    assert process.returncode == 0, process.stderr
    recipe = json.loads((song.parent / "out" / "recipe.json").read_text())["stemweave"]
    assert recipe["preset"]["device"] == device


def test_of_a_servers_stems_those_that_are_wanted_are_written(stemweave, served, song, tmp_path):
    server = f"tcp://127.0.0.1:{served[0]}"
    process = stemweave("separate", song, "-o", tmp_path / "out", "--want", "bass", "--server", server, "--json")
    assert process.returncode == 0, process.stderr
    assert list(json.loads(process.stdout)["stems"]) == ["bass", "residual"]


def test_a_device_that_only_the_server_has_is_left_to_it(monkeypatch):
    class Server:
        device = "cuda:99"

        def __init__(self, address):
            assert address == ADDRESS

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(making, "Client", Server)
    settings, card = making.checked("separate", {})
    settings, overrides = making.with_backend(settings, card, {}, ADDRESS)
    assert (settings.device, settings.backend, overrides) == ("cuda:99", "auto", {})


def test_a_server_refuses_what_it_must_in_the_same_words(refused, stemweave, served, song):
    port, _ = served
    address = f"tcp://127.0.0.1:{port}"
    refused(
        stemweave("separate", song, "-o", song.parent / "x", "--server", address, "--steps", "0"), "'steps' must be"
    )


def test_every_switch_of_serve_reaches_the_server(tmp_path, monkeypatch):
    given = []

    class Recorder:
        outside, osc_outside, query_ports, folders = (), (), (), ""

        def __init__(self, *arguments, **named):
            given.append(inspect.signature(Server).bind(*arguments, **named).arguments)

        def stop_on_signals(self):
            pass

        def run(self, ready):
            pass

    monkeypatch.setattr("bridge.server.Server", Recorder)
    monkeypatch.setattr("bridge.logs.write", given.append)
    switches = {
        "--host": "192.0.2.1", "--port": "4001", "--osc-port": "4002", "--osc-host": "192.0.2.2", "--jobs": tmp_path / "jobs",
        "--folder": tmp_path, "--metrics": "4003", "--workers": "ray", "--device": "cuda:1", "--quota": "1.5",
    }  # fmt: skip
    words = [str(word) for pair in switches.items() for word in pair]
    ran = CliRunner().invoke(app, ["serve", *words, "--no-osc-query", "--log-json"])
    assert ran.exit_code == 0, ran.output
    assert given == [
        True,
        {
            "host": "192.0.2.1", "port": 4001, "osc_port": 4002, "osc_host": "192.0.2.2", "folder": tmp_path / "jobs",
            "folders": [tmp_path], "metrics_port": 4003, "workers": "ray", "device": "cuda:1", "quota": 1_500_000_000,
            "advertise": False,
        },
    ]  # fmt: skip
    told = {option for parameter in get_command(app).commands["serve"].params for option in parameter.opts}
    assert told == {*switches, "--osc-query", "--log-json"}  # none that is not tried here


def test_a_second_server_at_the_same_port_is_told_whose_it_is(refused, stemweave, served):
    port, process = served
    refused(
        stemweave("serve", "--port", port, "--osc-port", "0"), f"Port {port} is already in use by", str(process.pid)
    )


def test_a_device_that_is_not_there_is_told_in_words(refused, stemweave, song):
    for device in ("gpu", "cuda:99"):
        words = f"torch cannot use the device '{device}'", "stemweave doctor"
        refused(stemweave("serve", "--device", device, "--port", free_port(), "--osc-port", "0"), *words)
        refused(separated(stemweave, song, "--device", device), *words)


def test_a_server_stops_cleanly_when_told_to(served):
    _, process = served
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_doctor_finds_a_free_port_a_server_and_a_stranger(stemweave, served):
    def port_line(port: int) -> dict:
        process = stemweave("doctor", "--json", "--port", port)
        assert process.returncode == 0, process.stdout
        findings = {finding["check"]: finding for finding in json.loads(process.stdout)}
        assert findings["models"]["outcome"] == "ok"
        assert findings["torchaudio works"]["outcome"] == "ok"
        return findings[f"port {port}"]

    assert "a stemweave server" in port_line(served[0])["found"]
    assert "free" in port_line(free_port())["found"]
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        line = port_line(stranger.getsockname()[1])
    assert line["outcome"] == "warning"
    assert str(os.getpid()) in line["found"]
    assert "--port" in line["remedy"]


def test_lists_speak_json(stemweave):
    assert next(card["name"] for card in json.loads(stemweave("models", "list", "--json").stdout)) == "default"
    assert "separate" in [preset["name"] for preset in json.loads(stemweave("presets", "list", "--json").stdout)]
    assert json.loads(stemweave("presets", "show", "separate-dirac", "--json").stdout)["steps"] == 150
    assert "separate-gaussian" in stemweave("presets", "list").stdout


def test_importing_what_is_no_checkpoint_is_refused(refused, stemweave, song):
    refused(stemweave("models", "import", song), "not a PyTorch checkpoint")


@pytest.mark.parametrize("seconds", [0, 4])
def test_ctrl_c_cancels_cleanly(stemweave, song, tmp_path, seconds):
    """At once, when libraries are still loaded, and later, when most machines work already."""
    command = [sys.executable, "-m", "bridge", "separate", str(song), "-o", str(tmp_path / "out"), "--server", "none"]
    command += ["--preset", "separate-dirac", "--steps", "9999"]
    process = subprocess.Popen(command, env=stemweave.environment, stderr=subprocess.PIPE, text=True)
    until((tmp_path / "out").exists, "the folder that is made just before the work begins")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, words
    assert "Cancelled" in words
    assert "Traceback" not in words
    assert not list((tmp_path / "out").glob("*.wav"))


def test_render_without_a_font_says_which_to_install(refused, stemweave, tmp_path):
    refused(stemweave("data", "render", tmp_path / "d", "--songs", "1", "--font", "none.sf2"), "There is no sound font")


def test_evaluate_reports_both_variants(refused, stemweave, tmp_path):
    font = "/usr/share/sounds/sf2/TimGM6mb.sf2"
    assert (
        stemweave("data", "render", "d", "--songs", 2, "--seconds", 5, "--split", "heldout", "--font", font).returncode
        == 0
    )
    process = stemweave("evaluate", "--tracks", "d", "--json", "report.json")
    assert process.returncode == 0, process.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["si_sdr_improvement_db"]) == {"silent_left_out", "as_published"}
    assert report["tracks"] == 2
    curve = stemweave(
        "evaluate", "--tracks", "d", "--steps", 1, "--steps", 2, "--json", "curve.json", "--plot", "c.png"
    )
    assert curve.returncode == 0, curve.stderr
    one, two = json.loads((tmp_path / "curve.json").read_text())
    assert one["si_sdr_improvement_db"] == report["si_sdr_improvement_db"]
    assert two["settings"]["steps"] == 2
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    refused(stemweave("evaluate", "--tracks", tmp_path), "There are no tracks")
