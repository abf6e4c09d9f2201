"""Known cells that the network hears clean, and what emphasis on them does: against a denoiser that keeps count."""

import dataclasses

import pytest
import torch

from engine.errors import PresetError
from engine.evaluation.priors import one_process
from engine.likelihoods import KNOWN, LikelihoodOptions
from engine.presets import load_preset
from engine.stemgrid import StemGrid

SIGMA = torch.tensor(0.5)


class Counting:
    """Says 3 x where it is told what is known, x where it is not; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, x, sigma, conditioning=None):
        known = None if conditioning is None else conditioning.known
        self.asked.append((x, known))
        return x if known is None else 3 * x


def grid(seed: int = 0) -> StemGrid:
    """The first of two sources is known."""
    mask = torch.zeros(1, 2, 64, dtype=torch.bool)
    mask[:, 0] = True
    return StemGrid(torch.randn(1, 2, 64, generator=torch.Generator().manual_seed(seed)) * mask, mask)


def state(problem: StemGrid) -> torch.Tensor:
    return problem.known + SIGMA * torch.randn(1, 2, 64, generator=torch.Generator().manual_seed(9))


def heard(denoiser, problem: StemGrid, emphasis: float):
    return KNOWN["heard"](denoiser, problem, LikelihoodOptions(emphasis=emphasis))


def test_an_emphasis_of_one_is_no_guidance_and_costs_no_second_call():
    denoiser, problem = Counting(), grid()
    x = state(problem)
    found = heard(denoiser, problem, 1.0)(x, SIGMA)
    assert len(denoiser.asked) == 1
    assert torch.equal(found, KNOWN["heard"](Counting(), problem, LikelihoodOptions())(x, SIGMA))
    assert torch.equal(found[:, 1], 3 * x[:, 1])


@pytest.mark.parametrize("emphasis", [0.0, 0.5, 2.0, 3.0])
def test_the_estimate_goes_from_what_it_says_untold_beyond_what_it_says_told(emphasis):
    problem = grid()
    x = state(problem)
    found = heard(Counting(), problem, emphasis)(x, SIGMA)
    torch.testing.assert_close(found[:, 1], (1 + 2 * emphasis) * x[:, 1])
    assert torch.equal(found[:, 0], problem.known[:, 0])


def test_untold_it_hears_nothing_of_what_is_known():
    denoiser = Counting()
    for problem in (grid(0), grid(1)):
        heard(denoiser, problem, 2.0)(state(problem), SIGMA)
    told, alone, told_other, alone_other = denoiser.asked
    assert not torch.equal(told[0], told_other[0])
    torch.testing.assert_close(alone[0], alone_other[0])
    assert alone[1] is None
    assert alone[0][:, 0].std() == pytest.approx(float(SIGMA), rel=0.3)  # as much noise as everywhere


def test_emphasis_moves_a_gaussian_estimate_away_from_silence():
    """One tone, known before a gap: what is known pulls the gap's estimate from zero, twice as much pulls it further."""
    prior, mask = one_process(), torch.ones(1, 1, 96, dtype=torch.bool)
    mask[..., 48:60] = False
    clean = prior.sample(1, torch.Generator().manual_seed(2))
    problem = StemGrid(clean * mask, mask)
    x = problem.known + 5 * torch.randn(1, 1, 96, generator=torch.Generator().manual_seed(3))
    once, twice = (heard(prior, problem, w)(x, torch.tensor(5.0))[~mask].norm() for w in (1.0, 2.0))
    assert twice > 1.5 * once


@pytest.mark.parametrize("value", [-1.0, 1e7, float("nan")])
def test_an_emphasis_that_makes_no_sense_is_refused(value):
    with pytest.raises(PresetError, match="emphasis"):
        dataclasses.replace(load_preset("accompany"), emphasis=value)
