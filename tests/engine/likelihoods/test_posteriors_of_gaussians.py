"""Dirac and Gaussian on independent Gaussian sources with the exact denoiser: the gains the authors' own code gives there.

The expected gains were measured with the functions MSDM's authors published, run unmodified on this same toy at 100,000
samples, sigma from 1 to 1e-4 in 150 steps, with the churn their paper uses for each likelihood and with that of the other.
"""

import itertools

import pytest
import torch

from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS, Options
from engine.diffusion.schedules import karras
from engine.evaluation.priors import IndependentGaussians
from engine.likelihoods import LIKELIHOODS, LikelihoodOptions
from engine.stemgrid import StemGrid

DEVIATIONS = [0.05, 0.1, 0.2, 0.1]
AUTHORS = {  # (likelihood, churn, resamples): gains of (bass, drums, guitar, piano)
    ("dirac", 20.0, 1): [0.0576, 0.2261, 0.4888, 0.2276],
    ("dirac", 20.0, 2): [0.0500, 0.2057, 0.5391, 0.2052],
    ("dirac", 40.0, 2): [0.0474, 0.1937, 0.5659, 0.1931],
    ("gaussian", 20.0, 2): [0.0712, 0.2090, 0.5137, 0.2061],
    ("gaussian", 40.0, 1): [0.0777, 0.2163, 0.4925, 0.2135],
    ("gaussian", 40.0, 2): [0.0597, 0.1985, 0.5456, 0.1962],
}
SAMPLES = 60_000


def separate(
    likelihood: str, churn: float, resamples: int, sampler: str = "euler", constrained: int = 0, steps: int = 150
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixture (1, samples) and its stems by the authors' schedule."""
    prior = IndependentGaussians(DEVIATIONS)
    mixture = prior.sample(1, SAMPLES).sum(1)
    noise = Noise(7, [0])
    grid = StemGrid.to_separate(mixture, len(DEVIATIONS))
    posterior = LIKELIHOODS[likelihood](prior, grid, LikelihoodOptions(constrained))
    sigmas = karras(steps, 1e-4, 1.0)
    options = Options(churn, resamples)
    stems = SAMPLERS[sampler](posterior, noise.like(grid.known), sigmas, noise, options, lambda: None)
    return mixture, stems


def gains(mixture, stems) -> torch.Tensor:
    """Least-squares share of the mixture in each stem."""
    return ((stems * mixture[:, None]).sum(-1) / mixture.square().sum(-1, keepdim=True))[0]


@pytest.mark.parametrize(("likelihood", "churn", "resamples"), AUTHORS)
def test_gains_are_those_of_the_authors_code(likelihood, churn, resamples):
    mixture, stems = separate(likelihood, churn, resamples)
    expected = torch.tensor(AUTHORS[likelihood, churn, resamples])
    torch.testing.assert_close(gains(mixture, stems), expected, rtol=0.05, atol=0.001)


def test_correction_brings_dirac_nearer_to_the_true_posterior_mean():
    truth = IndependentGaussians(DEVIATIONS).wiener_gains()
    plain, corrected = (gains(*separate("dirac", 20.0, resamples)) for resamples in (1, 2))
    assert (corrected - truth).abs().sum() < (plain - truth).abs().sum()


@pytest.mark.parametrize("constrained", range(4))
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_dirac_stems_sum_to_the_mixture_for_any_constrained_source_and_sampler(sampler, constrained):
    mixture, stems = separate("dirac", 20.0, 1, sampler, constrained, steps=20)
    assert (stems.sum(1) - mixture).abs().max() < 1e-5


def test_gaussian_stems_sum_to_the_mixture_as_closely_as_the_authors():
    mixture, stems = separate("gaussian", 40.0, 2)
    assert (stems.sum(1) - mixture).square().mean().sqrt() == pytest.approx(1.21e-3, rel=0.05)


def test_the_textbook_gaussian_pulls_harder_than_the_authors():
    prior = IndependentGaussians(DEVIATIONS)
    grid = StemGrid.to_separate(torch.ones(1, 8), 4)
    x, sigma, options = torch.zeros(1, 4, 8), torch.tensor(0.5), LikelihoodOptions()
    authors = LIKELIHOODS["gaussian"](prior, grid, options)(x, sigma)
    textbook = LIKELIHOODS["gaussian-textbook"](prior, grid, options)(x, sigma)
    torch.testing.assert_close(textbook, 2 * authors)
    torch.testing.assert_close(authors, torch.full_like(x, 0.5 / 0.75**2))


@pytest.mark.parametrize("likelihood", ["dirac", "gaussian"])
def test_a_likelihood_walks_the_authors_recursion_step_by_step(likelihood):
    """Against the recursion written out as the authors run it, the state changed in place, with the same noise."""
    prior, k, sigmas = IndependentGaussians(DEVIATIONS), 2, karras(12, 1e-3, 1.0).float()
    mixture = prior.sample(1, 64).sum(1)
    start = Noise(3, [0]).like(torch.zeros(1, 4, 64))
    posterior = LIKELIHOODS[likelihood](prior, StemGrid.to_separate(mixture, 4), LikelihoodOptions(k))
    ours = SAMPLERS["euler"](posterior, start, sigmas, Noise(5, [0]), Options(4.0, 2), lambda: None)
    x, noise, g = start.clone(), Noise(5, [0]), min(4.0 / 12, 2**0.5 - 1)
    others = [j for j in range(4) if j != k]
    for sigma, following in itertools.pairwise(sigmas):
        for repeat in range(2):
            hat = sigma * (1 + g)
            x = x + (hat**2 - sigma**2).sqrt() * noise.like(x)
            if likelihood == "dirac":
                x[:, k] = mixture - x[:, others].sum(1)
            d = (x - prior(x, hat)) / hat
            d = (
                d - d[:, k : k + 1]
                if likelihood == "dirac"
                else d - hat / (2 * (0.75 * hat) ** 2) * (mixture - x.sum(1))[:, None]
            )
            x = x + d * (following - hat)
            if repeat == 0:
                x = x + noise.like(x) * (sigma**2 - following**2).sqrt()
    free = others if likelihood == "dirac" else range(4)  # the authors leave x_k one step behind
    torch.testing.assert_close(ours[:, free], x[:, free], rtol=1e-4, atol=1e-5)


def test_a_mixture_that_holds_only_in_part_leaves_the_rest_to_the_prior():
    prior = IndependentGaussians(DEVIATIONS)
    known = torch.zeros(1, 4, 100)
    holds = torch.arange(100)[None] < 50
    grid = StemGrid(known, known.bool(), torch.full((1, 100), 0.3), holds)
    x = Noise(1, [0]).like(known)
    for name in ("dirac", "gaussian"):
        denoised = LIKELIHOODS[name](prior, grid, LikelihoodOptions())(x, torch.tensor(0.4))
        torch.testing.assert_close(denoised[..., 50:], prior(x, torch.tensor(0.4))[..., 50:])
        assert not torch.allclose(denoised[..., :50], prior(x, torch.tensor(0.4))[..., :50])
