"""The host scripts. Ardour's runs in Ardour; REAPER is not free: its script runs in a Lua against a stand-in for what it calls."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.servers import PATIENCE, running

HOSTS = Path(__file__).parents[2] / "plugin_stub" / "hosts"
HERE = Path(__file__).parent
RATE = 44100


@pytest.fixture
def halving(tmp_path, monkeypatch):
    """STEMWEAVE is the command line against a server whose stems, "one" and "residual", are each half of what it gets."""
    program = tmp_path / "the program"
    with running() as server:
        line = f'exec "{sys.executable}" -m bridge "$@" --server tcp://127.0.0.1:{server.port}'
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("STEMWEAVE", str(program))
        yield program


@pytest.mark.parametrize("selected", ["regions", "tracks", "tracks, layered"])
def test_ardour_sends_what_the_selected_regions_play_and_puts_its_stems_where_they_are(
    halving, in_host, song_file, selected
):
    script = HOSTS / "ardour" / "stemweave-separate.lua"
    result = in_host("ardour_script.py", "", script, song_file, selected)
    assert sorted(result["name"]) == ["song one", "song residual"]
    assert list(result["position"]) == [12345, 12345]
    for audio in result["audio"]:
        np.testing.assert_allclose(audio, result["played"] / 2, atol=1e-7)


FULL = '#!/bin/sh\necho "The tape is torn." >&2\nln -s /dev/full "$4/ended"\nexit 1\n'


@pytest.mark.parametrize(("disk", "words"), [("works", "The tape is torn."), ("is full", "is the disk full?")])
def test_ardour_says_what_went_wrong_and_waits_for_nothing_when_the_disk_is_full(
    in_host, song_file, tmp_path, monkeypatch, disk, words
):
    program = tmp_path / "broken"
    program.write_text(FULL)  # that it has ended cannot be written down
    program.chmod(0o755)
    monkeypatch.setenv("STEMWEAVE", str(program))
    script = HOSTS / "ardour" / "stemweave-separate.lua"
    result = in_host("ardour_script.py", "", script, song_file, "tracks" if disk == "works" else "tracks, full disk")
    assert words in str(result["said"])
    assert not len(result["name"])


def in_reaper(tmp_path: Path, selected: str, name: str = "song.wav") -> list[list[str]]:
    """What the stand-in prints, by line and field; the file `name` is what its items play."""
    song = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * RATE, 2)).astype(np.float32)
    soundfile.write(tmp_path / name, song, RATE, subtype="FLOAT")
    script = HOSTS / "reaper" / "stemweave-separate.lua"
    command = ["lua5.4", HERE / "reaper_project.lua", tmp_path / name, script, tmp_path, selected]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def tracks_of(lines: list[list[str]]) -> dict[str, list[list[str]]]:
    """Items by the track's name, in the project's order."""
    tracks: dict[str, list[list[str]]] = {}
    for kind, *fields in lines:
        if kind == "TRACK":
            tracks[fields[0]] = []
        elif kind == "ITEM":
            tracks[list(tracks)[-1]].append(fields)
    return tracks


# The place of the item that is trimmed: position, length, gain, looped, start in the file, rate, channels, pan.
TRIMMED = ["12.5", "1.5", "0.5", "1", "0.25", "1", "3", "-0.5"]


def test_reaper_puts_the_stems_of_the_selected_items_below_their_track_as_the_items_lie(halving, tmp_path):
    lines = in_reaper(tmp_path, "both")
    assert lines.count(["UNDO"]) == 1
    tracks = tracks_of(lines)
    assert list(tracks) == ["song", "song one", "song residual", "notes", "copy", "copy one", "copy residual"]
    song = soundfile.read(tmp_path / "song.wav", dtype="float32")[0]
    for name, place in (("song", TRIMMED), ("copy", ["3", "2", "1", "0", "0", "1", "0", "0"])):
        for stem in ("one", "residual"):
            ((path, *found),) = tracks[f"{name} {stem}"]
            assert found == place
            np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], song / 2)
    assert tracks["song one"][0][0] == tracks["copy one"][0][0]  # one file, one job


def test_reaper_takes_all_items_that_are_heard_of_a_selected_track_onto_one_new_track_a_stem(halving, tmp_path):
    tracks = tracks_of(in_reaper(tmp_path, "track"))
    assert list(tracks) == ["song", "song one", "song residual", "notes", "copy"]
    assert [item[1:] for item in tracks["song one"]] == [
        TRIMMED,
        ["20", "1", "1", "0", "0", "1.25", "0", "0"],
    ]


@pytest.mark.parametrize("name", ['"live".wav', 'the "band\'s".wav'])
def test_reaper_separates_a_file_with_quotes_in_its_name(halving, tmp_path, name):
    assert list(tracks_of(in_reaper(tmp_path, "item", name)))[:3] == ["song", "song one", "song residual"]


def test_reaper_places_what_was_separated_when_a_later_file_cannot_be(halving, tmp_path):
    lines = in_reaper(tmp_path, "both and torn")
    ((_, said),) = [line for line in lines if line[0] == "SAID"]
    assert "torn.wav could not be separated" in said
    assert list(tracks_of(lines)) == ["song", "song one", "song residual", "notes", "copy"]


@pytest.mark.parametrize(
    ("selected", "words"),
    [
        ("nothing", "Select the items"),
        ("muted", "Select the items"),
        ("midi", "without audio"),
        ("both and midi", "without audio"),
        ("stretched", "must be glued first"),
    ],
)
def test_reaper_says_what_cannot_be_separated_and_leaves_the_project_alone(tmp_path, monkeypatch, selected, words):
    monkeypatch.setenv("STEMWEAVE", "not even started")
    lines = in_reaper(tmp_path, selected)
    assert words in lines[0][1]
    assert list(tracks_of(lines)) == ["song", "notes", "copy"]


def test_reaper_says_what_the_program_said_when_it_fails(tmp_path, monkeypatch):
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho 'The tape is torn.' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("STEMWEAVE", str(program))
    lines = in_reaper(tmp_path, "item")
    assert "The tape is torn." in lines[0][1]
    assert list(tracks_of(lines)) == ["song", "notes", "copy"]


def test_reaper_says_which_name_no_quotes_can_hold(tmp_path):
    lines = in_reaper(tmp_path, "item", '"it\'s" `live`.wav')
    assert "`live`.wav cannot be named to a program: rename it" in lines[0][1]
    assert list(tracks_of(lines)) == ["song", "notes", "copy"]


@pytest.mark.parametrize("script", sorted(HOSTS.glob("*/*.lua")), ids=lambda path: path.parent.name)
def test_scripts_are_lua(script):
    assert subprocess.run(["luac5.4", "-p", script], env=os.environ).returncode == 0
