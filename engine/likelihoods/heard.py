"""Heard: the network itself was trained to hear known cells clean; no approximation of the posterior is needed."""

from dataclasses import replace

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser
from engine.likelihoods.base import LikelihoodOptions
from engine.stemgrid import StemGrid


def heard(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """The denoiser sees known cells without noise and is told which they are; the estimate there is what is known. Ours.

    With w = options.emphasis other than 1 it is asked a second time, told that nothing is known and with nothing but noise in those
    cells, and the estimate is D_without + w (D_with - D_without): classifier-free guidance (Ho & Salimans 2022) by the given
    tracks, as in StemGen (Parker et al. 2023). More than 1 goes beyond the posterior, on purpose: what
    `stemweave posteriors` calls bias.

    The model must hear them (`ModelSpec.hears_known`); `sample` takes another likelihood for those that do not.
    """

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        z = torch.where(grid.known_mask, grid.known, x)
        told = replace(conditioning or Conditioning(), known=grid.known_mask)
        estimate = denoiser(z, sigma, told)
        if options.emphasis != 1:
            alone = denoiser(_unaware(x, grid), sigma, conditioning)
            estimate = alone + options.emphasis * (estimate - alone)
        return torch.where(grid.known_mask, grid.known, estimate)

    return posterior


def _unaware(x: Tensor, grid: StemGrid) -> Tensor:
    """The sampler's state with its noise alone in the known cells, where it is known + sigma n with an n of its own."""
    return torch.where(grid.known_mask, x - grid.known, x)
