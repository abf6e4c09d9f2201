"""Heun's second-order sampler (Karras et al. 2022, algorithm 1; with churn, algorithm 2)."""

import math

from torch import Tensor

from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise
from engine.diffusion.samplers.base import OnStep, Options, steps_of


def heun(denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, options: Options, on_step: OnStep) -> Tensor:
    """Two calls a step, one for the last (which ends at sigma 0, where the slope is not defined)."""
    steps = len(sigmas) - 1
    g = min(options.churn / steps, math.sqrt(2) - 1)
    for sigma, sigma_next, further in steps_of(sigmas, x):
        sigma_hat = sigma * (1 + g) if g > 0 else sigma
        if g > 0:
            x = x + (sigma_hat**2 - sigma**2).sqrt() * noise.like(x)
        d = (x - denoiser(x, sigma_hat)) / sigma_hat
        ahead = x + d * (sigma_next - sigma_hat)
        on_step()
        if further:
            d_ahead = (ahead - denoiser(ahead, sigma_next)) / sigma_next
            ahead = x + (d + d_ahead) / 2 * (sigma_next - sigma_hat)
            on_step()
        x = ahead
    return x
