"""Gaussian: the sources add up to the mixture within a width that shrinks with the noise (MSDM, section 4.2, eq. 10)."""

from torch import Tensor

from engine.denoiser import Conditioning, Denoiser
from engine.likelihoods.base import LikelihoodOptions, mixture_of
from engine.stemgrid import StemGrid


def gaussian(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """N(y; sum_j x_j, gamma^2 I), gamma = options.gamma * sigma, with the factor 1/2 of the authors' code:

    d_j = (x_j - D_j) / sigma - sigma / (2 gamma^2) (y - sum_j x_j). Published numbers were made with it.
    """
    return _pull(denoiser, grid, 0.5 / options.gamma**2)


def gaussian_textbook(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """The same with the gradient of log N as it stands in a textbook, without the authors' factor 1/2."""
    return _pull(denoiser, grid, 1.0 / options.gamma**2)


def _pull(denoiser: Denoiser, grid: StemGrid, strength: float) -> Denoiser:
    """D_j + strength (y - sum_j x_j): what the slope above is in terms of the estimate, since D = x - sigma d. Both sums are over
    the wanted sources; y is the mixture less the known ones."""
    y, holds = mixture_of(grid, "Gaussian")
    wanted = ~grid.known_mask & holds[:, None]

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        missing = (y - (x * wanted).sum(1))[:, None]
        return denoiser(x, sigma, conditioning) + strength * missing * wanted

    return posterior
