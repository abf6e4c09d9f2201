"""The metric against torchmetrics, and the authors' windows and silence rule against their own numbers."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from engine.evaluation.metrics import is_silent, si_sdr, si_sdr_improvement, windows

rng = np.random.default_rng(0)


@pytest.mark.parametrize("noise", [0.01, 0.3, 3.0])
def test_si_sdr_equals_torchmetrics(noise):
    reference = rng.standard_normal(5000)
    estimate = 0.7 * reference + noise * rng.standard_normal(5000)
    theirs = scale_invariant_signal_distortion_ratio(torch.tensor(estimate), torch.tensor(reference))
    assert si_sdr(estimate, reference) == pytest.approx(float(theirs), abs=1e-3)


def test_a_scaled_reference_is_perfect_and_noise_of_equal_power_is_zero():
    reference = np.sin(np.arange(8000) * 0.1)
    assert si_sdr(3 * reference, reference) > 80
    other = np.cos(np.arange(8000) * 0.37)
    assert si_sdr(reference + other, reference) == pytest.approx(0, abs=0.2)


def test_improvement_over_the_mixture_itself_is_nothing():
    stem, rest = rng.standard_normal((2, 1000))
    assert si_sdr_improvement(stem + rest, stem, stem + rest) == 0


def test_a_silent_target_rewards_a_quiet_estimate_as_the_authors_protocol_does():
    mixture = rng.standard_normal(88200) * 0.1
    quiet = rng.standard_normal(88200) * 1e-3
    assert si_sdr_improvement(quiet, np.zeros(88200), mixture) == pytest.approx(40, abs=0.5)


@pytest.mark.parametrize(("samples", "count"), [(262144, 5), (88200, 1), (44100, 1), (100, 1), (132300, 2)])
def test_windows_are_the_authors(samples, count):
    """n = ceil((L - hop) / hop) at 22.05 kHz, hop 44,100."""
    found = windows(samples, 22050)
    assert len(found) == count
    assert all(w.stop - w.start <= 88200 and w.stop <= samples for w in found)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_silence_begins_at_minus_47_dbfs_for_four_seconds(rate):
    level = 4.45e-3
    stem = rng.standard_normal(4 * rate)
    stem /= np.sqrt(np.mean(stem**2))
    assert is_silent(stem * level * 0.98, rate)
    assert not is_silent(stem * level * 1.02, rate)
