"""How far each likelihood's samples are from a posterior that is known in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS, Options
from engine.diffusion.schedules import karras
from engine.evaluation.frechet import frechet
from engine.evaluation.priors import GaussianMixture, IndependentGaussians, one_process, three_processes
from engine.likelihoods import KNOWN, LIKELIHOODS, LikelihoodOptions
from engine.stemgrid import StemGrid

PRIORS = {"gaussian": one_process, "mixture of 3": three_processes}
GAP = slice(42, 54)
METHODS: dict[str, tuple[str, float, int, float]] = {  # row: likelihood, guidance, resamples, emphasis
    "replacement": ("replacement", 0.0, 1, 1.0),
    "replacement, 3 repeats (RePaint)": ("replacement", 0.0, 3, 1.0),
    "reconstruction, fixed step 0.03": ("reconstruction-fixed", 0.03, 1, 1.0),
    "reconstruction, fixed step 0.2": ("reconstruction-fixed", 0.2, 1, 1.0),
    "reconstruction, normalised 0.2": ("reconstruction", 0.2, 1, 1.0),
    "reconstruction, normalised 0.2, 3 repeats": ("reconstruction", 0.2, 3, 1.0),
    "heard": ("heard", 0.0, 1, 1.0),
    "heard, emphasis 1.5": ("heard", 0.0, 1, 1.5),
    "heard, emphasis 2": ("heard", 0.0, 1, 2.0),
    "DPS 1": ("dps", 1.0, 1, 1.0),
    "DPS 2": ("dps", 2.0, 1, 1.0),
}
DEVIATIONS = [0.05, 0.1, 0.2, 0.1]  # of the four sources that are separated


@dataclass(frozen=True)
class Row:
    """One method on one prior, means over observations (or sources).

    bias: distance of the mean from the posterior's, over the posterior's deviation. variance: total variance over the posterior's.
    distance: Frechet distance of the two Gaussians with these moments, over the posterior's total variance (0: none).
    """

    prior: str
    method: str
    bias: float
    variance: float
    distance: float


def infill_table(observations: int = 8, samples: int = 200, steps: int = 50, churn: float = 20.0) -> list[Row]:
    """Every method of KNOWN fills 12 of 96 samples, `samples` times for each of a number of observations."""
    rows = []
    for prior_name, make in PRIORS.items():
        prior = make()
        seen = prior.sample(observations, torch.Generator().manual_seed(1))
        for method, settings in METHODS.items():
            found = [_measure(prior, one, settings, samples, steps, churn) for one in seen]
            bias, variance, distance = torch.tensor(found).mean(0).tolist()
            rows.append(Row(prior_name, method, bias, variance, distance))
    return rows


def separation_table(samples: int = 200, steps: int = 150) -> list[Row]:
    """Every likelihood of a mixture on four independent Gaussian sources, with the authors' churn, without and with correction."""
    prior = IndependentGaussians(DEVIATIONS)
    mixture = prior.sample(1, 300).sum(1)
    share = prior.wiener_gains()[:, None]
    variance = (prior.variance.flatten() * (1 - share.flatten()))[:, None]
    rows = []
    for name, churn in (("dirac", 20.0), ("gaussian", 40.0), ("gaussian-textbook", 40.0)):
        for resamples in (1, 2):
            noise = Noise(3, [300 * index for index in range(samples)])
            grid = StemGrid.to_separate(mixture.expand(samples, -1), len(DEVIATIONS))
            denoiser = LIKELIHOODS[name](prior, grid, LikelihoodOptions())
            start, sigmas = noise.like(grid.known), karras(steps, 1e-4, 1.0).float()
            stems = SAMPLERS["euler"](denoiser, start, sigmas, noise, Options(churn, resamples), lambda: None).double()
            off = (stems.mean(0) - share * mixture).square().mean(-1)
            spread = stems.var(0).mean(-1)
            root = variance.flatten().sqrt()
            distance = (off + (spread.sqrt() - root).square()).sum() / variance.sum()
            bias, ratio = (off.sum() / variance.sum()).sqrt(), spread.sum() / variance.sum()
            method = name + (", corrected" if resamples > 1 else "")
            rows.append(Row("4 gaussians", method, float(bias), float(ratio), float(distance)))
    return rows


def _measure(
    prior: GaussianMixture, seen: Tensor, settings, samples: int, steps: int, churn: float
) -> tuple[float, ...]:
    name, guidance, resamples, emphasis = settings
    known = torch.ones(96, dtype=torch.bool)
    known[GAP] = False
    grid = StemGrid((seen * known).expand(samples, 1, 96), known.expand(samples, 1, 96))
    sigmas = karras(steps, 1e-3, 20.0).float()
    noise = Noise(3, [96 * index for index in range(samples)])
    start = grid.known + sigmas[0] * noise.like(grid.known)
    g = min(churn / steps, 2**0.5 - 1)
    options = LikelihoodOptions(
        guidance=guidance, emphasis=emphasis, noise=noise, steps=torch.stack([sigmas[:-1] * (1 + g), sigmas[1:]], 1)
    )
    denoiser = KNOWN[name](prior, grid, options)
    made = SAMPLERS["euler"](denoiser, start, sigmas, noise, Options(churn, resamples), lambda: None)[:, 0, GAP]
    mean, covariance = prior.given(known, seen[0, known])
    found, spread = made.double().mean(0), torch.cov(made.double().T)
    return _compare(found, spread, mean, covariance)


def _compare(found: Tensor, spread: Tensor, mean: Tensor, covariance: Tensor) -> tuple[float, float, float]:
    total = covariance.trace()
    bias = (found - mean).square().sum()
    distance = frechet(mean, covariance, found, spread)
    return float((bias / total).sqrt()), float(spread.trace() / total), distance / float(total)
