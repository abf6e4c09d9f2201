"""Dirac: the sources add up to the mixture exactly (MSDM, section 4.2, eqs. 11-13)."""

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser, per_item
from engine.likelihoods.base import LikelihoodOptions, mixture_of
from engine.stemgrid import StemGrid


def dirac(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """One source k = options.constrained is eliminated, x_k = y - sum of the others, where the mixture holds.

    With q_j = (x_j - D_j(x)) / sigma the others follow d_j = q_j - q_k, the score of the posterior over the free sources.
    y is the clean mixture at every noise level. The estimate for x_k is y minus the other estimates, so the last step of any
    sampler, which lands on the estimate, meets the constraint to rounding.
    """
    y, holds = mixture_of(grid, "Dirac")
    k, holds_all = options.constrained, holds[:, None]

    def constrain(x: Tensor) -> Tensor:
        """x with x_k replaced by what the others leave of the mixture."""
        rest = y - x.sum(1) + x[:, k]
        x = x.clone()
        x[:, k] = torch.where(holds, rest, x[:, k])
        return x

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        z = constrain(x)
        q = (z - denoiser(z, sigma, conditioning)) / per_item(sigma, x)
        d = torch.where(holds_all, q - q[:, k : k + 1], q)
        return constrain(z - per_item(sigma, x) * d)

    return posterior
