"""Reconstruction guidance: the estimate shall agree with the known cells, and what it would change to do so tells the wanted ones.

Three sizes of the step are in use, a function each, all through the denoiser's estimate (see gradient.py).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser
from engine.errors import PresetError
from engine.likelihoods.base import LikelihoodOptions
from engine.likelihoods.gradient import Step, guided, norm, normalised
from engine.stemgrid import StemGrid


def reconstruction(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """L2 norm, step normalised by the gradient's RMS, then data consistency (CQTDiff, Moliner et al. 2023). guidance: their
    xi, a share of sigma; 0.2 is their own setting."""
    return _consistent(guided(denoiser, lambda x: norm(_missed(x, grid)), normalised(options.guidance)), grid)


def reconstruction_fixed(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """L1 and a fixed step, then data consistency (Levy et al. 2023, algorithm 2, objectives of their table 2).

    Theirs is a variance-preserving process on data of unit variance, in which a DDIM step from t to s moves the state by xi sigma_t
    sigma_s times the gradient. Carried over that is xi * sigma * to / sigma_data, where the sampler goes from sigma to `to`.
    """

    def shift(slope: Tensor, sigma: Tensor, to: Tensor) -> Tensor:
        return options.guidance * sigma * to / options.sigma_data * slope

    step = _moving_the_state(shift, grid, options)
    return _consistent(guided(denoiser, lambda x: _missed(x, grid).abs().sum((1, 2)), step), grid)


def dps(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """Diffusion posterior sampling (Chung et al. 2023): each sampler step moves the state by guidance (their zeta) times the
    gradient of the L2 norm. No data consistency on the way; whoever asked puts the known cells back at the end.

    Carried over from their variance-preserving process on data of unit variance the step is zeta (1 + s^2) sigma_data, with s =
    sigma / sigma_data.
    """

    def shift(slope: Tensor, sigma: Tensor, to: Tensor) -> Tensor:
        return options.guidance * options.sigma_data * (1 + (sigma / options.sigma_data) ** 2) * slope

    return guided(denoiser, lambda x: norm(_missed(x, grid)), _moving_the_state(shift, grid, options))


def _moving_the_state(
    shift: Callable[[Tensor, Tensor, Tensor], Tensor], grid: StemGrid, options: LikelihoodOptions
) -> Step:
    """What the estimate has to move by for a step of the sampler to move the state by `shift`, of the gradient, sigma and the sigma
    the step goes to: a step takes 1 - to / sigma of it there. PresetError when the steps are not known."""
    if options.steps is None:
        raise PresetError("This guidance needs to know the sampler's steps.")
    start, end = options.steps.to(grid.known).unbind(1)

    def step(slope: Tensor, sigma: Tensor) -> Tensor:
        index = (start - sigma[0, 0, 0]).abs().argmin()
        to = end.take(index)
        return shift(slope, sigma, to) / (1 - to / start.take(index))

    return step


def _missed(estimate: Tensor, grid: StemGrid) -> Tensor:
    return (grid.known - estimate) * grid.known_mask


def _consistent(denoiser: Denoiser, grid: StemGrid) -> Denoiser:
    """Data consistency for a mask: the estimate is what is known wherever something is."""

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        return torch.where(grid.known_mask, grid.known, denoiser(x, sigma, conditioning))

    return posterior
