"""Euler with churn and resampling, as MSDM's authors run it (their section 5 and the code they published)."""

import math

from torch import Tensor

from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise
from engine.diffusion.samplers.base import OnStep, Options, steps_of


def euler(denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, options: Options, on_step: OnStep) -> Tensor:
    """EDM's stochastic sampler (Karras et al. 2022, algorithm 2) without its second-order correction, each step repeated
    `resamples` times: after all repeats but the last the step's own noise is added back.

    churn raises sigma by g = min(churn / steps, sqrt(2) - 1) before a step and adds the noise that belongs to it.
    """
    steps = len(sigmas) - 1
    g = min(options.churn / steps, math.sqrt(2) - 1)
    for sigma, sigma_next, _ in steps_of(sigmas, x):
        sigma_hat = sigma * (1 + g) if g > 0 else sigma
        for repeat in range(options.resamples):
            if g > 0:
                x = x + (sigma_hat**2 - sigma**2).sqrt() * noise.like(x)
            d = (x - denoiser(x, sigma_hat)) / sigma_hat
            x = x + d * (sigma_next - sigma_hat)
            if repeat < options.resamples - 1:
                x = x + (sigma**2 - sigma_next**2).sqrt() * noise.like(x)
            on_step()
    return x
