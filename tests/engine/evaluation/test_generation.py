"""Sub-FAD with models whose answer is plain, its anchors, and the whole of it on a tiny model."""

import dataclasses

import numpy as np
import pytest
import soundfile
from support.models import SOURCES, write_tiny_model

import engine.evaluation.generation as generation
from engine.errors import Cancelled, DataError
from engine.evaluation.generation import evaluate_generation
from engine.evaluation.metrics import half_width, jackknife
from engine.models import load_model
from engine.presets import load_preset

RATE, SECONDS = 16000, 3


def write_song(folder, index: int, rate: int = RATE) -> None:
    """Each source a noise in a band and at a level of its own, both a little the song's."""
    rng = np.random.default_rng(index)
    (folder / f"Track{index:05d}").mkdir(parents=True)
    for place, source in enumerate(SOURCES):
        spectrum = np.fft.rfft(rng.standard_normal(SECONDS * rate))
        low = len(spectrum) * (0.05 + 0.2 * place + 0.02 * index)
        spectrum[: int(low)] = spectrum[int(1.6 * low) :] = 0
        stem = np.fft.irfft(spectrum)
        stem *= 0.05 * (1 + rng.random()) / stem.std()
        soundfile.write(folder / f"Track{index:05d}" / f"{source}.wav", stem, rate, subtype="FLOAT")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    for index in range(3):
        write_song(folder, index)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


def measured(model, songs, seconds=SECONDS, **changed) -> dict:
    presets = (dataclasses.replace(load_preset(task), steps=1) for task in ("accompany", "generate"))
    return {row.sources: row for row in evaluate_generation(model, songs, *presets, seconds=seconds, **changed)}


def test_the_interval_of_a_mean_is_the_usual_one():
    values = np.random.default_rng(0).standard_normal(20)
    left_out = [np.delete(values, index).mean() for index in range(20)]
    assert jackknife(left_out) == pytest.approx(half_width(values))


def test_the_truth_is_at_no_distance_and_nothing_is_as_far_as_silence(model, songs, monkeypatch):
    """Performers that are no models: one plays the song's own stems, one rests."""
    by_given = {}
    for index in range(3):
        stems = {name: soundfile.read(songs / f"Track{index:05d}" / f"{name}.wav")[0] for name in SOURCES}
        by_given |= {float(np.round(stem[0], 9)): stems for stem in stems.values()}

    def truth(model, request, preset, **callbacks):
        if not request.stems:  # total generation: the songs in their order, by the seed
            own = list({id(stems): stems for stems in by_given.values()}.values())[preset.seed]
        else:
            own = by_given[float(np.round(next(iter(request.stems.values()))[0, 0].astype(float), 9))]
        return {name: own[name][None] for name in SOURCES}

    def rest(model, request, preset, **callbacks):
        nothing = np.zeros((1, SECONDS * RATE), np.float32)
        return {name: request.stems.get(name, nothing) for name in SOURCES}

    monkeypatch.setattr(generation, "perform", truth)
    rows = measured(model, songs)
    assert len(rows) == 15
    assert next(iter(rows)) == ("bass",)
    assert list(rows)[-1] == SOURCES
    for row in rows.values():
        assert row.made == pytest.approx(0, abs=1e-6)
        assert 0.1 < row.other < row.silence
        assert row.ahead == pytest.approx(row.other, abs=1e-6)
        assert row.songs == 3
    monkeypatch.setattr(generation, "perform", rest)
    timbre, harmony = measured(model, songs), measured(model, songs, embedder="chroma")
    for rows in (timbre, harmony):
        assert all(row.made == pytest.approx(row.silence, rel=1e-6) for row in rows.values())
    assert harmony["bass",].silence < 1 < timbre["bass",].silence


def test_a_model_s_own_songs_are_measured_with_progress(model, songs):
    told: list[float] = []
    rows = measured(model, songs, seconds=2, limit=2, on_progress=told.append)
    assert all(np.isfinite(dataclasses.astuple(row)[1:]).all() and row.made > 0 for row in rows.values())
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_it_ends_when_it_is_cancelled(model, songs):
    told: list[float] = []
    with pytest.raises(Cancelled):
        measured(model, songs, on_progress=told.append, cancelled=lambda: len(told) == 4)
    assert len(told) == 4


def test_songs_that_do_not_do_are_told(model, songs, tmp_path):
    with pytest.raises(DataError, match="shorter than 9"):
        evaluate_generation(model, songs, load_preset("accompany"), load_preset("generate"), seconds=9)
    with pytest.raises(DataError, match="Fewer than two"):
        measured(model, songs, limit=1)
    write_song(tmp_path, 0)
    write_song(tmp_path, 1, rate=8000)
    with pytest.raises(DataError, match="several sample rates"):
        measured(model, tmp_path)
