"""What sounds on over a seam, against signals whose future is known."""

import numpy as np
import pytest

from engine.seams import FADED, predicted, prediction, sounding_on

RATE = 44100


def chord(frames: int) -> np.ndarray:
    time = np.arange(frames) / RATE
    return sum(np.sin(2 * np.pi * hertz * time + hertz) for hertz in (55.0, 221.3, 740.7))


def test_a_chord_goes_on():
    whole = chord(8192 + 2000)
    assert np.abs(predicted(whole[:8192], 2000) - whole[8192:]).max() < 0.02 * np.abs(whole).max()


def test_rows_are_predicted_each_by_itself():
    rows = np.stack([chord(4096), np.random.default_rng(0).standard_normal(4096)])[:, None]
    both = predicted(rows, 100)
    assert both.shape == (2, 1, 100)
    for row, found in zip(rows, both, strict=True):
        np.testing.assert_allclose(predicted(row, 100), found)


def test_a_resonance_is_found():
    """x[t] = 1.6 x[t-1] - 0.8 x[t-2] + noise."""
    noise, x = np.random.default_rng(2).standard_normal(20_000), np.zeros(20_000)
    for t in range(2, len(x)):
        x[t] = 1.6 * x[t - 1] - 0.8 * x[t - 2] + noise[t]
    np.testing.assert_allclose(prediction(x, 2), [-0.8, 1.6], atol=0.02)


@pytest.mark.parametrize("missed", [np.zeros((2, 1, 8192)), np.zeros((2, 1, 1)), np.zeros((1, 2, 700))])
def test_where_nothing_is_missed_nothing_is_added(missed):
    assert not sounding_on(missed.astype(np.float32), RATE).any()


def test_it_begins_where_it_left_off_and_ends_in_silence():
    whole = chord(9000).astype(np.float32)
    more = sounding_on(whole[:8192], RATE)
    assert more.shape == (round(FADED * RATE),)
    assert more.dtype == np.float32
    assert more[0] == pytest.approx(whole[8192], abs=0.02)
    assert np.abs(more[-100:]).max() < 0.01


def test_a_growing_sound_is_not_predicted_to_grow_for_ever():
    rising = np.exp(np.arange(4096) / 500) * chord(4096)
    assert np.abs(predicted(rising, 8000)).max() < 2 * np.abs(rising).max()
