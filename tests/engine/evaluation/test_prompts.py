"""The classifier on stems that are easily told apart, and the evaluation of models that do and do not do what they are told."""

import dataclasses

import numpy as np
import pytest
import soundfile
from support.models import SOURCES, write_tiny_text_model

import engine.evaluation.prompts as prompts
from engine.errors import DataError, PresetError
from engine.evaluation.classifier import StemClassifier, stem_clips
from engine.evaluation.metrics import wilson
from engine.evaluation.prompts import PROMPTS, evaluate_prompts, total
from engine.models import load_model
from engine.presets import load_preset

RATE = 8000
PITCH = dict(zip(SOURCES, (80, 3000, 400, 1200), strict=True))


def stem(source: str, seed: int, seconds: float = 1.0, level: float = 0.2) -> np.ndarray:
    """(frames,): noise around the pitch of a source."""
    rng, time = np.random.default_rng(seed), np.arange(round(seconds * RATE)) / RATE
    slow = np.convolve(rng.standard_normal(len(time)), np.hanning(40) / 5, "same")
    return (level * slow * np.sin(2 * np.pi * PITCH[source] * time)).astype(np.float32)


@pytest.fixture
def songs(tmp_path):
    """Four songs of 2 s; the first one's guitar sounds for half of it."""
    for index in range(4):
        (tmp_path / f"Track{index:05d}").mkdir()
        for seed, name in enumerate(SOURCES):
            played = stem(name, 10 * index + seed, 2.0)
            if (index, name) == (0, "guitar"):
                played[RATE:] = 0
            soundfile.write(tmp_path / f"Track{index:05d}" / f"{name}.wav", played, RATE, subtype="FLOAT")
    return tmp_path


def test_clips_are_those_that_sound(songs):
    clips, labels, rate = stem_clips(songs, SOURCES, 1.0, tracks=3)
    assert rate == RATE
    assert [labels.count(index) for index in range(4)] == [6, 6, 5, 6]
    assert all(clip.shape == (RATE,) and np.abs(clip).max() > 0.01 for clip in clips)


def test_the_classifier_knows_stems_it_never_heard_at_any_level_and_silence(songs):
    clips, labels, rate = stem_clips(songs, SOURCES, 1.0, tracks=4)
    judge = StemClassifier(SOURCES, clips, labels, rate)
    again = StemClassifier(SOURCES, clips, labels, rate)
    for source in SOURCES:
        for level in (0.01, 0.5):
            clip = stem(source, 99, level=level)
            assert judge(clip) == again(clip) == source
    assert judge(np.zeros(RATE)) == ""
    with pytest.raises(DataError, match="no stem of guitar"):
        StemClassifier(SOURCES, clips[:2], [0, 1], rate)


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (9, 10), (44, 44)])
def test_the_interval_of_a_share_holds_it_and_narrows_with_more_trials(hits, of):
    low, high = wilson(hits, of)
    assert -1e-9 <= low <= hits / of <= high <= 1 + 1e-9
    assert high - low > 0.01
    more_low, more_high = wilson(10 * hits, 10 * of)
    assert more_high - more_low < high - low


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_tiny_text_model(tmp_path_factory.mktemp("models") / "text", sample_rate=RATE))


def evaluated(model, songs, **limits) -> list:
    preset = dataclasses.replace(load_preset("generate"), steps=1)
    return evaluate_prompts(model, songs, songs, preset, seconds=1.0, **limits)


def test_a_model_that_does_as_told_is_right_and_a_stubborn_one_by_chance(model, songs, monkeypatch):
    monkeypatch.setattr(prompts, "perform", lambda model, request, preset: {
        source: stem(source, preset.seed)[None] for source in request.prompts
    })  # fmt: skip
    rows = evaluated(model, songs)
    assert [(row.how, row.source) for row in rows][:5] == [
        *(("rendered stem", s) for s in SOURCES),
        ("prompted alone", "bass"),
    ]
    assert all(row.share == 1 for row in rows)
    assert [row.heard.total() for row in rows if row.how != "rendered stem"] == 8 * [len(PROMPTS["bass"])]
    monkeypatch.setattr(prompts, "perform", lambda model, request, preset: {
        source: stem("bass", preset.seed)[None] for source in request.prompts
    })  # fmt: skip
    share, (low, high) = total(evaluated(model, songs), "prompted in a band")
    assert share == 0.25
    assert low < 0.25 < high


def test_the_judge_is_tried_on_as_many_songs_as_is_said(model, songs, monkeypatch):
    monkeypatch.setattr(prompts, "PROMPTS", {source: (source,) for source in PROMPTS})
    tried = [row.heard.total() for row in evaluated(model, songs, limit=1) if row.how == "rendered stem"]
    assert tried == [2, 2, 1, 2]  # of the first song, whose guitar sounds for half of it


def test_a_model_is_asked_every_prompt_or_says_that_it_cannot(model, songs, tmp_path):
    rows = evaluated(model, songs)
    assert sum(row.heard.total() for row in rows if row.how == "prompted alone") == sum(map(len, PROMPTS.values()))
    deaf = dataclasses.replace(
        model, card=dataclasses.replace(model.card, spec=dataclasses.replace(model.spec, text=""))
    )
    with pytest.raises(PresetError, match="does not understand prompts"):
        evaluated(deaf, songs)
