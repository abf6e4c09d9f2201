"""Conditional: the network itself was trained to hear the mixture; no approximation of the posterior is needed."""

from torch import Tensor

from engine.denoiser import Conditioning, Denoiser
from engine.likelihoods.base import LikelihoodOptions, mixture_of
from engine.stemgrid import StemGrid


def conditional(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """Hands the mixture to the denoiser. The model must be conditional (`ModelSpec.conditional`), which the task checks."""
    mixture, _ = mixture_of(grid, "conditional")

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        return denoiser(x, sigma, Conditioning(mixture=mixture))

    return posterior
