"""Replacement: known cells are heard through fresh noise of the level at hand (MSDM, section 4.1; Song et al. 2021, appendix I)."""

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser, per_item
from engine.errors import PresetError
from engine.likelihoods.base import LikelihoodOptions
from engine.stemgrid import StemGrid


def replacement(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """The denoiser sees known + sigma * n in the known cells, n drawn once a noise level as the authors do, so that the repeats of
    one step (RePaint's resampling, Lugmayr et al. 2022) hear the same; the estimate there is what is known."""
    if options.noise is None:
        raise PresetError("The replacement likelihood needs a source of noise.")
    noise = options.noise
    level, heard = None, grid.known

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        nonlocal level, heard
        if sigma is not level:  # samplers keep one tensor a level; to compare numbers would make a GPU wait
            level, heard = sigma, grid.known + per_item(sigma, x) * noise.like(x)
        z = torch.where(grid.known_mask, heard, x)
        return torch.where(grid.known_mask, grid.known, denoiser(z, sigma, conditioning))

    return posterior
