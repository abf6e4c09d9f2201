"""Sentences about line-ups: true to what plays, put in many ways."""

import json

import numpy as np
import pytest

from engine.data.prompts import NICKNAMES, about_track, sentence
from engine.data.song import PROGRAMS, SOURCES
from engine.errors import DataError

ABOUT = {"programs": {"bass": 36, "drums": 25, "guitar": 27, "piano": 0}, "style": "funk", "tempo_bpm": 101.6}


def many(playing: list[str], count: int = 200) -> list[str]:
    return [sentence(ABOUT, playing, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("playing", [["bass"], ["drums", "piano"], list(SOURCES)])
def test_every_player_is_named_and_nobody_else(playing):
    def names(source):
        return (PROGRAMS[source][ABOUT["programs"][source]], *NICKNAMES[source])

    for text in many(playing):
        told = text.removeprefix("solo ").split(", ")
        for source in SOURCES:
            assert any(name in told for name in names(source)) == (source in playing)


def test_style_tempo_and_both_kinds_of_names_are_told_now_and_then():
    texts = many(["bass"])
    for words in ("funk", "102 bpm", "slap bass", "bassline", "solo"):
        assert 0.05 < np.mean([words in text for text in texts]) < 0.9


def test_the_same_dice_give_the_same_sentence():
    assert many(["bass", "piano"], 20) == many(["bass", "piano"], 20)


def test_a_track_without_its_notes_is_refused(tmp_path):
    with pytest.raises(DataError, match="data render"):
        about_track(tmp_path)
    (tmp_path / "track.json").write_text(json.dumps(ABOUT))
    assert about_track(tmp_path)["style"] == "funk"
