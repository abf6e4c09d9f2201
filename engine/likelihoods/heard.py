"""Heard: the network itself was trained to hear known cells clean; no approximation of the posterior is needed."""

from dataclasses import replace

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser
from engine.likelihoods.base import LikelihoodOptions
from engine.stemgrid import StemGrid


def heard(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """The denoiser sees known cells without noise and is told which they are; the estimate there is what is known. Ours.

    The model must hear them (`ModelSpec.hears_known`); `sample` takes the replacement likelihood for those that do not.
    """

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        z = torch.where(grid.known_mask, grid.known, x)
        told = replace(conditioning or Conditioning(), known=grid.known_mask)
        return torch.where(grid.known_mask, grid.known, denoiser(z, sigma, told))

    return posterior
