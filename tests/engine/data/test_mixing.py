"""The mixing desk: sums stay sums, nothing clips, levels are balanced, filters do what they are named for."""

import numpy as np
import pytest
from scipy.signal import sosfreqz

from engine.data.mixing import (
    BALANCE_DB,
    FARTHEST_DB,
    biquad,
    compress,
    mix,
    place,
    reverberate,
    saturate,
    sounding_rms,
)
from engine.data.song import SOURCES

RATE = 22050


def stems(seed: int, absent: str | None = None, frames: int = 2 * RATE) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    level = {source: 10 ** rng.uniform(-3, 0) for source in SOURCES}
    noise = {source: (rng.standard_normal((2, frames)) * level[source]).astype(np.float32) for source in SOURCES}
    return {source: np.zeros_like(stem) if source == absent else stem for source, stem in noise.items()}


@pytest.mark.parametrize("seed", range(12))
def test_neither_the_sum_nor_a_stem_passes_the_ceiling(seed):
    mixed = mix(stems(seed, SOURCES[seed % 4]), np.random.default_rng(seed), RATE)
    peak = np.abs(sum(mixed.values())).max()
    assert peak <= 10 ** (-1 / 20) + 1e-6
    assert all(np.isfinite(stem).all() and stem.dtype == np.float32 for stem in mixed.values())
    assert max(peak, *(np.abs(stem).max() for stem in mixed.values())) >= 10 ** (-10 / 20) - 1e-6
    assert not mixed[SOURCES[seed % 4]].any()


def test_the_same_dice_give_the_same_mix_and_leave_the_stems_alone():
    given = stems(1)
    before = {source: stem.copy() for source, stem in given.items()}
    first, second = (mix(given, np.random.default_rng(3), RATE) for _ in range(2))
    for source in SOURCES:
        assert np.array_equal(first[source], second[source])
        assert np.array_equal(given[source], before[source])


def test_a_quiet_program_is_not_lost():
    for seed in range(10):
        mixed = mix(stems(seed), np.random.default_rng(seed), RATE)
        level = {s: 20 * np.log10(sounding_rms(stem, RATE)) - BALANCE_DB[s] for s, stem in mixed.items()}
        assert max(level.values()) - min(level.values()) <= 2 * FARTHEST_DB + 0.1


def test_silence_is_not_measured():
    stem = np.zeros((2, RATE), np.float32)
    stem[:, : RATE // 10] = 0.5
    assert sounding_rms(stem, RATE) == pytest.approx(0.5, rel=0.01)


def test_all_silent_stays_silent():
    mixed = mix({source: np.zeros((2, 100), np.float32) for source in SOURCES}, np.random.default_rng(0), RATE)
    assert all(not stem.any() for stem in mixed.values())


@pytest.mark.parametrize(
    ("kind", "at_zero", "at_centre", "at_top"),
    [("bell", 0, 6, 0), ("low", 6, 3, 0), ("high", 0, 3, 6), ("lowpass", 0, -3, -60), ("highpass", -60, -3, 0)],
)
def test_filters_have_their_gains(kind, at_zero, at_centre, at_top):
    section = biquad(kind, 2000.0, 6.0, 0.7071, RATE)[None]
    _, response = sosfreqz(section, worN=[1e-3, 2 * np.pi * 2000 / RATE, np.pi - 1e-3])
    measured = 20 * np.log10(np.abs(response) + 1e-12)
    for got, wanted in zip(measured, (at_zero, at_centre, at_top), strict=True):
        assert got < -50 if wanted == -60 else got == pytest.approx(wanted, abs=0.05)


def test_saturation_lowers_peaks_and_compression_what_is_loud():
    rng = np.random.default_rng(0)
    loud = np.arange(RATE) % 8000 < 4000
    stem = (rng.standard_normal((2, RATE)) * np.where(loud, 1.0, 0.1)).astype(np.float32)
    saturated = saturate(stem, rng)
    assert np.abs(saturated).max() / saturated.std() < np.abs(stem).max() / stem.std()
    for _ in range(5):
        pressed = compress(stem, RATE, rng)
        assert pressed[:, loud].std() / pressed[:, ~loud].std() < 0.95 * stem[:, loud].std() / stem[:, ~loud].std()
        assert np.abs(pressed).max() <= np.abs(stem).max() + 1e-6


def test_a_room_answers_later_and_softer():
    click = np.zeros((2, 2 * RATE), np.float32)
    click[:, 100] = 1
    heard = reverberate(click, RATE, np.random.default_rng(2))
    assert not np.abs(heard[:, :100]).max() > 1e-6
    tail = np.sqrt(np.square(heard[:, 101:]).sum(1))
    assert np.all((tail > 0.02) & (tail < 0.26))


def test_panning_keeps_the_power_of_a_mono_stem():
    stem = np.tile(np.random.default_rng(0).standard_normal(1000).astype(np.float32), (2, 1))
    for seed in range(5):
        placed = place(stem, np.random.default_rng(seed), 0.4)
        assert np.square(placed).sum() == pytest.approx(np.square(stem).sum(), rel=1e-4)
