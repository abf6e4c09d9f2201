"""Reconstruction guidance: the estimate shall agree with the known cells, and what it would change to do so tells the wanted ones.

Three sizes of the step are in use, all through the denoiser's estimate (see gradient.py):
"""

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser
from engine.errors import PresetError
from engine.likelihoods.base import LikelihoodOptions
from engine.likelihoods.gradient import guided, norm, normalised
from engine.stemgrid import StemGrid


def reconstruction(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """L2 norm, step normalised by the gradient's RMS, then data consistency (CQTDiff, Moliner et al. 2023). guidance: their
    xi, a share of sigma; 0.2 is their own setting."""
    return _consistent(guided(denoiser, lambda x: norm(_missed(x, grid)), normalised(options.guidance)), grid)


def reconstruction_fixed(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """L1 and a fixed step, then data consistency (Levy et al. 2023, algorithms 1 and 2, objectives of their table 2).

    Theirs is a variance-preserving process on data of unit variance; carried over, its step is guidance * s^2 * gradient in
    units of sigma_data, with s = sigma / sigma_data. It is taken by the estimate, where they shift the state after the step.
    """

    def step(slope: Tensor, sigma: Tensor) -> Tensor:
        return options.guidance * sigma**2 / options.sigma_data * slope

    return _consistent(guided(denoiser, lambda x: _missed(x, grid).abs().sum((1, 2)), step), grid)


def dps(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """Diffusion posterior sampling (Chung et al. 2023): each sampler step moves the state by guidance (their zeta) times the
    gradient of the L2 norm. No data consistency on the way; whoever asked puts the known cells back at the end.

    Carried over from their variance-preserving process on data of unit variance the step is zeta (1 + s^2) sigma_data, with s =
    sigma / sigma_data. A step from sigma to t takes D's shift times 1 - t / sigma into the state, so that is divided out.
    """
    if options.steps is None:
        raise PresetError("DPS needs to know the sampler's steps.")
    start = options.steps[:, 0].to(grid.known)
    taken = (1 - options.steps[:, 1] / options.steps[:, 0]).to(grid.known)

    def step(slope: Tensor, sigma: Tensor) -> Tensor:
        index = (start - sigma[0, 0, 0]).abs().argmin()
        unit = options.sigma_data * (1 + (sigma / options.sigma_data) ** 2)
        return options.guidance * unit * slope / taken.take(index)

    return guided(denoiser, lambda x: norm(_missed(x, grid)), step)


def _missed(estimate: Tensor, grid: StemGrid) -> Tensor:
    return (grid.known - estimate) * grid.known_mask


def _consistent(denoiser: Denoiser, grid: StemGrid) -> Denoiser:
    """Data consistency for a mask: the estimate is what is known wherever something is."""

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        return torch.where(grid.known_mask, grid.known, denoiser(x, sigma, conditioning))

    return posterior
