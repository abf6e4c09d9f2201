"""The VST3 in DawDreamer and in pedalboard, with a live server and the embedded model."""

from pathlib import Path

import numpy as np
import pytest

from engine.audio import read_audio
from engine.filling import perform
from engine.models import load_model
from engine.presets import load_preset
from engine.request import Request
from presets import DEMO

RATE = 44100
NO_SERVER = "tcp://127.0.0.1:9"
NULL = 10 ** (-90 / 20)  # of full scale


@pytest.fixture
def song(song_file) -> np.ndarray:
    return np.load(song_file)


def sum_of_stems(out: np.ndarray) -> np.ndarray:
    """(2, frames) of the five stereo buses after the track's own."""
    return out[2:].reshape(5, 2, -1).sum(axis=0)


def test_a_song_goes_out_of_dawdreamer_and_its_stems_come_back_in_time(formats, live_server, song_file, song, in_host):
    result = in_host("dawdreamer_session.py", live_server, "separate", formats / "stemweave.vst3", song_file, 512)
    assert result["job"] == "done"
    np.testing.assert_array_equal(result["out"][:2], song)  # the track passes untouched
    assert np.abs(sum_of_stems(result["out"]) - song).max() < NULL
    assert all(np.abs(stem).max() > 1e-3 for stem in result["out"][2:10:2]), "a bus of a source is silent"
    # A shift of one sample would be far above the null: the test can fail.
    assert np.abs(sum_of_stems(result["out"])[:, 1:] - song[:, :-1]).max() > 100 * NULL


def test_a_project_of_pedalboard_opens_in_dawdreamer_without_a_server(
    formats, live_server, song_file, song, in_host, tmp_path
):
    vst3, preset = formats / "stemweave.vst3", tmp_path / "state.vstpreset"
    made = in_host("pedalboard_session.py", live_server, vst3, song_file, preset)
    np.testing.assert_array_equal(made["out"], song)  # by the plug-in's own clock: pedalboard has no timeline
    np.testing.assert_array_equal(made["track"][:, : song.shape[1]], song)
    assert np.abs(made["stems"].sum(axis=0) - made["track"]).max() < NULL

    for block in (64, 333, 8192):  # the stems come from the cache, each sample where it was
        opened = in_host("dawdreamer_session.py", NO_SERVER, "reopen", vst3, song_file, block, preset)
        np.testing.assert_array_equal(opened["out"][:2], song)
        np.testing.assert_array_equal(opened["out"][2:].reshape(5, 2, -1), made["stems"][:, :, : song.shape[1]])

    for file in (tmp_path / "takes").rglob("drums.wav"):  # damaged: not what the recipe says
        file.write_bytes(file.read_bytes()[:-400] + bytes(400))
    opened = in_host("dawdreamer_session.py", NO_SERVER, "reopen", vst3, song_file, 512, preset)
    np.testing.assert_array_equal(opened["out"][:2], song)
    assert not opened["out"][2:].any()


@pytest.fixture
def three_stems(tmp_path) -> dict[str, np.ndarray]:
    """A second of three sources, also in tmp_path/stems.npy."""
    stems = {
        name: read_audio(DEMO / f"{name}.flac").samples[:, :RATE].astype(np.float32)
        for name in ("bass", "drums", "guitar")
    }
    np.save(tmp_path / "stems.npy", np.stack(list(stems.values())))
    return stems


def made_here(stems: dict[str, np.ndarray], takes: Path, task: str, **asked) -> dict[str, np.ndarray]:
    """The same job of the same stems, by its recipe, on the back end that the server chose, which is remembered."""
    (path,) = takes.glob("*/recipe.txt")
    recipe = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
    after = int(recipe["frames"]) - RATE  # the host plays whole blocks
    assert recipe["start"] == "0"
    assert 0 <= after < 512
    given = {name: np.pad(stem, ((0, 0), (0, after))) for name, stem in stems.items()}
    preset = load_preset(task, seed=int(recipe["seed"]))
    model = load_model(preset.model, preset.device, preset.backend)
    made = perform(model, Request(RATE, given, **asked), preset)
    return {name: stem[:, :RATE] for name, stem in made.items()}


def test_three_tracks_played_one_after_another_are_accompanied_together(
    formats, live_server, in_host, three_stems, tmp_path
):
    vst3 = formats / "stemweave.vst3"
    result = in_host("dawdreamer_context.py", live_server, vst3, tmp_path / "stems.npy", "Accompany")
    assert result["job"] == "done"
    np.testing.assert_array_equal(result["out"][:2], three_stems["bass"])  # the track passes untouched
    buses = result["out"][2:].reshape(5, 2, -1)
    piano = buses[3]
    assert not buses[[0, 1, 2, 4]].any()  # what was given is heard on its own track already
    assert np.abs(piano).max() > 1e-4
    made = made_here(three_stems, tmp_path / "takes", "accompany", wanted=("piano",))["piano"]
    two_stems = {name: three_stems[name] for name in ("bass", "drums")}
    unheard = made_here(two_stems, tmp_path / "takes", "accompany", wanted=("piano",))["piano"]
    # In eight bits what differs in the last digit ends some 2 % apart after 64 steps; without the guitar it is a third.
    assert np.linalg.norm(piano - made) < 0.25 * np.linalg.norm(unheard - made)


def test_a_stretch_of_one_track_is_filled_by_what_the_others_play(formats, live_server, in_host, three_stems, tmp_path):
    vst3, start, stop = formats / "stemweave.vst3", 0.25, 0.5
    result = in_host("dawdreamer_context.py", live_server, vst3, tmp_path / "stems.npy", "Infill", start, stop)
    assert result["job"] == "done"
    buses, was = result["out"][2:].reshape(5, 2, -1), three_stems["bass"]
    assert not buses[1:].any()
    first, last = round(start * RATE), round(stop * RATE)
    np.testing.assert_array_equal(buses[0][:, :first], was[:, :first])
    np.testing.assert_array_equal(buses[0][:, last:], was[:, last:])
    made = made_here(three_stems, tmp_path / "takes", "infill", wanted=("bass",), start=start, stop=stop)["bass"]
    new, ours = buses[0][:, first:last], made[:, first:last]
    assert np.linalg.norm(new - was[:, first:last]) > 0.1 * np.linalg.norm(was[:, first:last])
    assert np.linalg.norm(new - ours) < 0.01 * np.linalg.norm(ours)
