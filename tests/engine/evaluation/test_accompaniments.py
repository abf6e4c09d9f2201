"""Agreement against tracks whose answer is plain, and the evaluation with accompanists that do and do not listen."""

import dataclasses

import numpy as np
import pytest
import soundfile
from support.models import SOURCES, write_tiny_model

import engine.evaluation.accompaniments as accompaniments
from engine.errors import DataError
from engine.evaluation.accompaniments import evaluate_accompaniments
from engine.evaluation.agreement import note_agreement, notes, onset_agreement, onsets
from engine.evaluation.metrics import half_width
from engine.models import load_model
from engine.presets import load_preset

RATE = 22050
SECONDS = 4


def clicks(beats_a_second: float, seed: int = 0) -> np.ndarray:
    """(frames,): bursts of noise at an even pulse."""
    rng, out = np.random.default_rng(seed), np.zeros(SECONDS * RATE, np.float32)
    for start in np.arange(0.1, SECONDS - 0.1, 1 / beats_a_second):
        at = round(start * RATE)
        out[at : at + 1000] = 0.3 * rng.standard_normal(1000) * np.exp(-np.arange(1000) / 200)
    return out


def chord(*pitches: float, seconds: float = SECONDS) -> np.ndarray:
    """(frames,): sines at MIDI pitches."""
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.1 * np.sum([np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * time) for p in pitches], 0).astype(np.float32)


def test_the_same_pulse_agrees_and_another_does_not():
    two, again, three = (onsets(clicks(beats, seed), RATE) for beats, seed in ((2, 0), (2, 1), (3.3, 2)))
    assert onset_agreement(two, again) > 0.8
    assert onset_agreement(two, three) < 0.3
    assert onset_agreement(two, np.zeros_like(two)) == 0


def test_the_same_chord_agrees_an_octave_lower_too_and_a_strange_one_does_not():
    c, low, far = (notes(chord(*p), RATE) for p in ((60, 64, 67), (48, 52, 55), (61, 66, 70)))
    assert note_agreement(c, low) > 0.9
    assert note_agreement(c, far) < 0


def test_seconds_in_which_one_is_silent_say_nothing_of_its_notes():
    half = np.concatenate([chord(60, 64, 67, seconds=2), np.zeros(2 * RATE, np.float32)])
    assert note_agreement(notes(half, RATE), notes(chord(60, 64, 67), RATE)) > 0.95
    assert np.isnan(note_agreement(notes(half, RATE), notes(half[::-1], RATE)))


def test_the_interval_holds_the_mean_of_most_samples():
    for few_or_many in (3, 40):
        draws = np.random.default_rng(0).normal(0.3, 1, (1000, few_or_many))
        held = [abs(row.mean() - 0.3) < half_width(row) for row in draws]
        assert 0.93 < np.mean(held) < 0.97
    assert np.isnan(half_width([1.0]))


@pytest.fixture
def songs(tmp_path):
    """Three songs, each at a pulse and in a key of its own; their fourth source, the piano, never plays."""
    for index, (beats, key) in enumerate(((2, 60), (2.7, 63), (3.3, 66))):
        folder = tmp_path / f"Track{index:05d}"
        folder.mkdir()
        tune = chord(key, key + 4, key + 7) * np.repeat(clicks(beats)[::1000] != 0, 1000)[: SECONDS * RATE]
        for seed, name in enumerate(SOURCES[:3]):
            soundfile.write(folder / f"{name}.wav", clicks(beats, seed) + tune, RATE, subtype="FLOAT")
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


def measured(model, songs, **changed) -> dict:
    preset = dataclasses.replace(load_preset("accompany"), steps=1)
    rows = evaluate_accompaniments(model, songs, preset, seconds=SECONDS, **changed)
    return {(row.source, row.measure): row for row in rows}


def test_who_listens_gains_and_who_plays_another_song_does_not(model, songs, monkeypatch):
    def listen(model, request, preset):
        return {request.wanted[0]: sum(request.stems.values())}

    monkeypatch.setattr(accompaniments, "perform", listen)
    rows = measured(model, songs)
    assert set(rows) == {(s, m) for s in SOURCES[:3] for m in ("onsets", "chroma")} - {("drums", "chroma")}
    for row in rows.values():
        assert row.made == pytest.approx(1, abs=0.02)
        assert row.gain == pytest.approx(row.made - row.other, abs=1e-6)
        assert row.gain - row.interval > 0.2
        assert row.own > row.other + 0.2
        assert row.songs == 3
    monkeypatch.setattr(
        accompaniments, "perform", lambda model, request, preset: {request.wanted[0]: clicks(5.1)[None]}
    )
    assert all(row.gain < 0.2 for row in measured(model, songs).values() if row.measure == "onsets")


def test_a_model_s_own_accompaniments_are_measured(model, songs):
    rows = measured(model, songs, limit=2)
    assert all(-1 <= row.made <= 1 and row.songs == 2 for row in rows.values())


def test_songs_too_short_or_too_few_are_told(model, songs):
    with pytest.raises(DataError, match="shorter than 9"):
        evaluate_accompaniments(model, songs, load_preset("accompany"), seconds=9)
    with pytest.raises(DataError, match="No source plays beside others in two"):
        measured(model, songs, limit=1)
