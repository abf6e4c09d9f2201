"""Conditional: the network itself was trained to hear the mixture; no approximation of the posterior is needed."""

from torch import Tensor

from engine.denoiser import Conditioning, Denoiser
from engine.errors import PresetError
from engine.likelihoods.base import LikelihoodOptions, mixture_of
from engine.stemgrid import StemGrid


def conditional(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """Hands the denoiser what is left of the mixture beside known stems: a song in which those sources rest.

    The model must be conditional (`ModelSpec.conditional`), which the task checks, and the mixture must hold everywhere.
    """
    mixture, holds = mixture_of(grid, "conditional")
    if grid.mixture_mask is not None and not bool(holds.all()):
        raise PresetError(
            "The conditional likelihood needs a mixture over the whole stretch.", "Use --likelihood dirac or gaussian."
        )

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        return denoiser(x, sigma, Conditioning(mixture=mixture))

    return posterior
