"""What a gap starts from, on songs whose repeats are known."""

import numpy as np
import pytest

from engine import repeats
from engine.likeness import HOP
from engine.repeats import repeat
from engine.seams import FADED

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
    inside = round(FADED * RATE)  # nearer to its edges it is led over to what is known
    assert np.array_equal(
        found[1, :, 6 * BAR + inside : 7 * BAR - inside], truth[1, :, BAR + inside : 2 * BAR - inside]
    )
    assert np.array_equal(found[0], truth[0])


def tones(seconds: float, *hertz: float) -> np.ndarray:
    """(2 sources, 1 channel, frames): in each a note of some harmonics."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.stack([
        sum(np.sin(2 * np.pi * k * each * time) / (20 * k) for k in range(1, 6))[None] for each in hertz
    ]).astype(np.float32)  # fmt: skip


def pulses(period: int, count: int) -> np.ndarray:
    """(2, 1, frames): the same click and noise every `period` samples."""
    rng = np.random.default_rng(5)
    shape = np.exp(-np.arange(period) / 2000)
    return np.tile(0.1 * shape * rng.standard_normal((2, 1, period)), count).astype(np.float32)


@pytest.mark.parametrize("period", [15_001, 17_777, 20_000])
def test_a_period_that_is_no_whole_number_of_columns_is_found_to_the_sample(period):
    assert period % HOP
    truth = pulses(period, 10)
    mask = wanted(truth.shape[-1], 4 * period + 77, 5 * period + 4000)
    assert np.array_equal(repeat(truth * mask[:, None], mask, RATE), truth)


def test_a_gap_between_two_halves_is_entered_with_the_one_and_left_with_the_other():
    """Between a half of low notes and one of high ones no single passage fits both edges."""
    low, high = tones(5, 110.25, 220.5), tones(5, 612.5, 918.75)
    truth = np.concatenate([low, high], -1)
    start, stop = 4 * RATE, 6 * RATE
    mask = wanted(truth.shape[-1], start, stop)
    found = repeat(truth * mask[:, None], mask, RATE)
    near = RATE // 4
    for side in (slice(start, start + near), slice(stop - near, stop)):
        assert np.abs(found[..., side] - truth[..., side]).max() < 0.02 * np.abs(truth).max()


def test_what_is_known_is_returned_bit_for_bit():
    truth = 0.1 * np.random.default_rng(1).standard_normal((2, 2, 6 * RATE)).astype(np.float32)
    mask = wanted(6 * RATE, 2 * RATE + 3, 3 * RATE, slice(0, 1))
    found = repeat(truth * mask[:, None], mask, RATE)
    assert found.dtype == np.float32
    assert found.shape == truth.shape
    assert np.array_equal(found[1], truth[1])
    assert np.array_equal(found[0][:, mask[0]], truth[0][:, mask[0]])
    assert np.abs(found[0][:, ~mask[0]]).std() > 0.01


def test_waveforms_meet_at_both_edges():
    """A note that is there before the gap and behind it, out of step with the passage it is filled from."""
    notes = tones(9, 98.7, 151.3)
    truth = notes * np.repeat([1.0, 0.4, 1.0], 3 * RATE)
    start, stop = 4 * RATE, 5 * RATE
    mask = wanted(truth.shape[-1], start, stop)
    found = repeat((truth * mask[:, None]).astype(np.float32), mask, RATE)
    steps = np.abs(np.diff(found))[..., [start - 1, stop - 1]].max()
    assert steps <= 1.5 * np.abs(np.diff(truth[..., start:stop])).max()


def test_a_gap_longer_than_what_is_known_is_filled_to_its_end(monkeypatch):
    monkeypatch.setattr(repeats, "LONGEST", 1.5)  # seconds, so that it takes several walks
    truth = song(10, channels=1)
    mask = wanted(truth.shape[-1], 3 * BAR, 10 * BAR)
    assert np.array_equal(repeat(truth * mask[:, None], mask, RATE), truth)


def test_where_there_is_nothing_to_repeat_nothing_is_found():
    truth = song(1)
    assert repeat(np.zeros_like(truth), wanted(BAR, 0, BAR), RATE) is None
    assert repeat(truth, wanted(BAR, 100, BAR - 100), RATE) is None
    assert repeat(truth[..., :4000], wanted(4000, 3000, 4000), RATE) is None  # shorter than any lag that is tried


@pytest.mark.parametrize("left", [1, 400, 2000])
def test_a_gap_may_end_shortly_before_the_song_does(left):
    truth = song(6)
    frames = truth.shape[-1]
    mask = wanted(frames, 4 * BAR, frames - left)
    found = repeat(truth * mask[:, None], mask, RATE)
    assert np.array_equal(found[..., frames - left :], truth[..., frames - left :])
    assert np.array_equal(found[..., 4 * BAR : frames - BAR], truth[..., 4 * BAR : frames - BAR])


@pytest.mark.parametrize(("frames", "asked"), [(21380, 10540), (21493, 10740)])
def test_a_song_may_go_on_for_about_as_long_as_it_is(frames, asked):
    """What is left over by whole columns at its end is no reason to fail."""
    known = 0.1 * np.random.default_rng(0).standard_normal((2, 1, frames)).astype(np.float32)
    mask = wanted(frames, frames - asked, frames)
    found = repeat(known * mask[:, None], mask, 8000)
    assert found is None or np.isfinite(found).all()


def test_what_is_far_away_in_a_long_song_is_not_searched(monkeypatch):
    truth = song(12)
    mask = wanted(truth.shape[-1], 6 * BAR, 7 * BAR)
    monkeypatch.setattr(repeats, "FARTHEST", 1.5 * BAR / RATE)
    looked_at = []
    likeness = repeats.Likeness
    monkeypatch.setattr(
        repeats, "Likeness", lambda song, told: looked_at.append(song.shape[-1]) or likeness(song, told)
    )
    assert np.array_equal(repeat(truth * mask[:, None], mask, RATE), truth)
    assert looked_at == [4 * BAR]
