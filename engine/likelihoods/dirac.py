"""Dirac: the sources add up to the mixture exactly (MSDM, section 4.2, eqs. 11-13)."""

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser, per_item
from engine.likelihoods.base import LikelihoodOptions, mixture_of
from engine.stemgrid import StemGrid


def dirac(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """One source k = options.constrained is eliminated, x_k = y - sum of the others, where the mixture holds.

    With q_j = (x_j - D_j(x)) / sigma the others follow d_j = q_j - q_k, the score of the posterior over the free sources.
    y is the clean mixture at every noise level, less the stems that are known; where source k is itself known, the first wanted
    one takes its place. The estimate for x_k is y minus the other estimates, so the last step of any sampler, which lands on the
    estimate, meets the constraint to rounding.
    """
    y, holds = mixture_of(grid, "Dirac")
    wanted = ~grid.known_mask & holds[:, None]
    k = eliminated(wanted, options.constrained)

    def constrain(x: Tensor) -> Tensor:
        """x with x_k replaced by what the other wanted sources leave of the mixture."""
        others = (x * (wanted & ~k)).sum(1)
        return torch.where(k, (y - others)[:, None], x)

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        z = constrain(x)
        q = (z - denoiser(z, sigma, conditioning)) / per_item(sigma, x)
        d = torch.where(wanted, q - (q * k).sum(1, keepdim=True), q)
        return constrain(z - per_item(sigma, x) * d)

    return posterior


def eliminated(wanted: Tensor, constrained: int) -> Tensor:
    """Which cell of each moment is eliminated: source `constrained` where it is wanted, else the first that is. bool, as wanted:
    (batch, sources, samples)."""
    order = [constrained, *(j for j in range(wanted.shape[1]) if j != constrained)]
    cells, free = torch.zeros_like(wanted), torch.ones_like(wanted[:, 0])
    for j in order:
        cells[:, j] = wanted[:, j] & free
        free = free & ~wanted[:, j]
    return cells
