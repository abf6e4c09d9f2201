"""What a gap starts from, on songs whose repeats are known."""

import numpy as np
import pytest

from engine.repeats import HOP, repeat

RATE = 22050
BAR = 40 * HOP  # 0.93 s: a whole number of the columns that are compared, so that copies are exact


def song(bars: int, channels: int = 2) -> np.ndarray:
    """(2 sources, channels, frames): the same bar of bursts again and again, other bursts in each source."""
    rng = np.random.default_rng(3)
    bar = rng.standard_normal((2, channels, BAR)) * (rng.random((2, 1, BAR // 1024)).repeat(1024, -1) > 0.5)
    return np.tile(0.1 * bar, bars).astype(np.float32)


def wanted(frames: int, start: int, stop: int, rows: slice = slice(None)) -> np.ndarray:
    mask = np.ones((2, frames), dtype=bool)
    mask[rows, start:stop] = False
    return mask


@pytest.mark.parametrize(
    ("start", "stop"),
    [(3 * BAR + 999, 4 * BAR), (2 * BAR - 7, 5 * BAR), (5 * BAR, 8 * BAR), (0, BAR + 1), (BAR // 2, BAR)],
)
def test_what_repeats_itself_is_found_again_before_and_behind(start, stop):
    truth = song(8)
    mask = wanted(truth.shape[-1], start, stop)
    found = repeat(truth * mask[:, None], mask, RATE)
    assert np.array_equal(found, truth)


def test_a_source_that_is_known_in_the_gap_says_which_bar_it_is():
    """All is noise that never repeats, but one source plays in bar 1 and in bar 6 alike: there the other is taken from."""
    truth = 0.1 * np.random.default_rng(0).standard_normal((2, 1, 8 * BAR)).astype(np.float32)
    truth[0, :, 6 * BAR : 7 * BAR] = truth[0, :, BAR : 2 * BAR]
    mask = wanted(8 * BAR, 6 * BAR, 7 * BAR, slice(1, 2))
    found = repeat(truth * mask[:, None], mask, RATE)
    assert np.array_equal(found[1, :, 6 * BAR : 7 * BAR], truth[1, :, BAR : 2 * BAR])
    assert np.array_equal(found[0], truth[0])


def test_where_there_is_nothing_to_repeat_nothing_is_found():
    truth = song(1)
    assert repeat(np.zeros_like(truth), wanted(BAR, 0, BAR), RATE) is None
    assert repeat(truth, wanted(BAR, 100, BAR - 100), RATE) is None
    assert repeat(truth[..., :4000], wanted(4000, 3000, 4000), RATE) is None  # shorter than any lag that is tried
