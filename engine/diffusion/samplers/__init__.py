"""Samplers: from noise to clean along a schedule, by any denoiser. They know nothing of tasks. One file each.

Every sampler is called as `sampler(denoiser, x, sigmas, noise, options, on_step)`:
    denoiser: given the very same tensor as sigma in all calls at one level. x: (batch, sources, samples), the starting state at
    level sigmas[0]. sigmas: (steps + 1,), falling, last 0.
    noise: owner of randomness. on_step(): called after each network call; it may raise to stop the work.
"""

from collections.abc import Callable

from engine.diffusion.samplers.base import Options, Sampler
from engine.diffusion.samplers.dpm_solver import dpm_solver_2m
from engine.diffusion.samplers.euler import euler
from engine.diffusion.samplers.heun import heun

SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "dpm2m": dpm_solver_2m}

CALLS: dict[str, Callable[[int, int], int]] = {
    "euler": lambda steps, resamples: steps * resamples,
    "heun": lambda steps, resamples: 2 * steps - 1,
    "dpm2m": lambda steps, resamples: steps,
}
"""Network calls a sampler makes for (steps, resamples): what progress and cost are counted in."""

__all__ = ["CALLS", "SAMPLERS", "Options", "Sampler", "dpm_solver_2m", "euler", "heun"]
