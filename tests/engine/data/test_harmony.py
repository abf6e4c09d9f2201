"""Chords and progressions: what the numerals mean, and that they stay in their key."""

import numpy as np
import pytest

from engine.data.harmony import PROGRESSIONS, SCALES, Chord, numeral, progression


def test_numerals_are_read_over_the_major_scale():
    assert numeral("I", 0).pitch_classes == (0, 4, 7)
    assert numeral("vi", 0).pitch_classes == (9, 0, 4)
    assert numeral("bVII7", 2).pitch_classes == (0, 4, 7, 10)
    assert numeral("iim7b5", 9).pitch_classes == (11, 2, 5, 9)


def test_what_is_not_a_chord_is_refused():
    for text in ("H", "Iv", "I8", ""):
        with pytest.raises(ValueError, match="Not a chord"):
            numeral(text, 0)


def test_every_progression_can_be_read_in_every_key():
    assert sum(len(table) for table in PROGRESSIONS.values()) >= 60
    for table in PROGRESSIONS.values():
        for text in table:
            for tonic in range(12):
                bars = [[numeral(chord, tonic) for chord in bar.split()] for bar in text.split("|")]
                assert all(1 <= len(bar) <= 2 for bar in bars)


@pytest.mark.parametrize("mode", SCALES)
def test_roots_lie_mostly_in_the_scale(mode):
    rng = np.random.default_rng(0)
    scale = set(SCALES["mixolydian" if mode == "blues" else mode]) | set(SCALES[mode])
    roots = [chord.root for _ in range(200) for bar in progression(0, mode, 0.5, rng) for chord in bar]
    assert np.mean([root in scale for root in roots]) > 0.85


def test_colour_enriches_without_leaving_the_scale():
    rng = np.random.default_rng(1)
    plain = [len(c.intervals) for _ in range(100) for bar in progression(0, "dorian", 0.0, rng) for c in bar]
    rich = [c for _ in range(100) for bar in progression(0, "dorian", 1.0, rng) for c in bar]
    assert np.mean([len(c.intervals) for c in rich]) > np.mean(plain) + 0.3


def test_third_and_fifth_are_found_in_any_chord():
    assert (Chord(0, (0, 3, 6, 10), "").third, Chord(0, (0, 3, 6, 10), "").fifth) == (3, 6)
    assert (Chord(0, (0, 5, 7), "").third, Chord(0, (0, 7), "").third) == (5, 12)
