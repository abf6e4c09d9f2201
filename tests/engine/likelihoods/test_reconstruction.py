"""Guidance with a fixed step, against the published algorithm written down in its own, variance-preserving process."""

import math

import pytest
import torch

from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS, Options
from engine.errors import PresetError
from engine.likelihoods import KNOWN, LikelihoodOptions
from engine.stemgrid import StemGrid

SIGMA_DATA, XI, FRAMES = 0.05, 0.03, 16
dice = torch.Generator().manual_seed(4)
factor = torch.randn(FRAMES, FRAMES, generator=dice, dtype=torch.float64)
COVARIANCE = factor @ factor.T / FRAMES  # of data of about unit variance


def mean(u: torch.Tensor, s: float) -> torch.Tensor:
    """E[clean | u = clean + s * noise], exactly."""
    return torch.linalg.solve(COVARIANCE + s**2 * torch.eye(FRAMES, dtype=u.dtype), u @ COVARIANCE, left=False)


def denoiser(x, sigma, conditioning=None):
    return SIGMA_DATA * mean(x / SIGMA_DATA, float(sigma) / SIGMA_DATA)


def published(u: torch.Tensor, known: torch.Tensor, mask: torch.Tensor, s: float, to: float) -> torch.Tensor:
    """One step of Levy et al. 2023, algorithm 2: x_t = alpha_t x_0 + sigma_t noise, alpha^2 + sigma^2 = 1, sigma / alpha = s."""
    alpha, alpha_to = 1 / math.sqrt(1 + s**2), 1 / math.sqrt(1 + to**2)
    sigma, sigma_to = s * alpha, to * alpha_to
    x = (alpha * u).requires_grad_()
    clean = mean(x / alpha, s)
    (slope,) = torch.autograd.grad(((known - clean) * mask).abs().sum(), x)
    noise = (x - alpha * clean) / sigma - XI * sigma * slope
    return ((alpha_to * clean + sigma_to * noise) / alpha_to).detach()


@pytest.mark.parametrize(("s", "to"), [(8.0, 5.0), (1.0, 0.6), (0.2, 0.01), (0.05, 0.0)])
def test_a_step_is_that_of_the_published_algorithm(s, to):
    mask = torch.zeros(1, 1, FRAMES, dtype=torch.bool)
    mask[..., :10] = True
    known = torch.randn(1, 1, FRAMES, generator=dice, dtype=torch.float64)
    state = s * torch.randn(1, 1, FRAMES, generator=dice, dtype=torch.float64)
    sigmas = SIGMA_DATA * torch.tensor([s, to], dtype=torch.float64)
    options = LikelihoodOptions(guidance=XI, sigma_data=SIGMA_DATA, steps=sigmas[None])
    grid = StemGrid(SIGMA_DATA * known, mask)
    guided = KNOWN["reconstruction-fixed"](denoiser, grid, options)
    ours = SAMPLERS["euler"](guided, SIGMA_DATA * state, sigmas, Noise(0, [0]), Options(), lambda: None)
    wanted = published(state, known, mask, s, to)
    torch.testing.assert_close(ours[~mask] / SIGMA_DATA, wanted[~mask], rtol=1e-9, atol=1e-9)
    if to:  # and the guidance is something
        plain = SAMPLERS["euler"](denoiser, SIGMA_DATA * state, sigmas, Noise(0, [0]), Options(), lambda: None)
        assert (ours - plain)[~mask].abs().max() > 1e-6 * SIGMA_DATA


@pytest.mark.parametrize("known", ["reconstruction-fixed", "dps"])
def test_guidance_that_moves_the_state_needs_the_steps(known):
    grid = StemGrid(torch.zeros(1, 1, 4), torch.ones(1, 1, 4, dtype=torch.bool))
    with pytest.raises(PresetError, match="steps"):
        KNOWN[known](denoiser, grid, LikelihoodOptions())
