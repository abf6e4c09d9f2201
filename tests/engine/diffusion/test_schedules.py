"""The Karras schedule against its own formula and against the authors' package."""

import pytest
import torch

from engine.diffusion.schedules import karras
from engine.errors import PresetError


def test_karras_equals_the_reference_packages():
    from audio_diffusion_pytorch import KarrasSchedule

    reference = KarrasSchedule(sigma_min=1e-4, sigma_max=20.0, rho=7.0)(150, torch.device("cpu"))
    torch.testing.assert_close(karras(150, 1e-4, 20.0).float(), reference, rtol=1e-4, atol=1e-9)


def test_it_falls_from_top_to_bottom_and_ends_at_zero():
    sigmas = karras(10, 0.01, 3.0)
    assert sigmas[0] == pytest.approx(3.0)
    assert sigmas[-2] == pytest.approx(0.01)
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


def test_one_step_goes_from_the_top_to_zero():
    assert karras(1, 1e-4, 3.0).tolist() == [pytest.approx(3.0), 0.0]


@pytest.mark.parametrize(("steps", "low", "high"), [(0, 0.1, 1.0), (5, 0.0, 1.0), (5, 2.0, 1.0), (5, -1.0, 1.0)])
def test_impossible_ranges_are_refused(steps, low, high):
    with pytest.raises(PresetError):
        karras(steps, low, high)
