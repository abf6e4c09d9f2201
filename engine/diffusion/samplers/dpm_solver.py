"""DPM-Solver++(2M): second order at one network call a step (Lu et al. 2022, algorithm 2, data prediction)."""

from torch import Tensor

from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise
from engine.diffusion.samplers.base import OnStep, Options, steps_of


def dpm_solver_2m(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, options: Options, on_step: OnStep
) -> Tensor:
    """Exponential integrator in lambda = -ln(sigma) (alpha = 1 here): with h the step in lambda and r = h_before / h,

        x <- (sigma_next / sigma) x + (1 - sigma_next / sigma) [(1 + 1 / 2r) D - (1 / 2r) D_before].

    The first step and the last, whose h is infinite, are of first order. Deterministic: churn and resamples are not used.
    """
    before, h_before = None, None
    for sigma, sigma_next, further in steps_of(sigmas, x):
        denoised = denoiser(x, sigma)
        ratio = sigma_next / sigma
        slope = denoised
        if before is not None and h_before is not None and further:
            weight = -ratio.log() / (2 * h_before)  # 1 / 2r
            slope = denoised + weight * (denoised - before)
        x = ratio * x + (1 - ratio) * slope
        before, h_before = denoised, -ratio.log() if further else None
        on_step()
    return x
