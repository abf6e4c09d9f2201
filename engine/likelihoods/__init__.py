"""Likelihoods: how an observation pulls the samples. Each wraps (denoiser, grid) into a denoiser. One file each.

LIKELIHOODS maps a name to `wrap(denoiser, grid, options) -> Denoiser`; what a likelihood needs of `options` stands in its file.
"""

from engine.likelihoods.base import Likelihood, LikelihoodOptions
from engine.likelihoods.conditional import conditional
from engine.likelihoods.dirac import dirac
from engine.likelihoods.gaussian import gaussian, gaussian_textbook

LIKELIHOODS: dict[str, Likelihood] = {
    "conditional": conditional,
    "dirac": dirac,
    "gaussian": gaussian,
    "gaussian-textbook": gaussian_textbook,
}

__all__ = ["LIKELIHOODS", "Likelihood", "LikelihoodOptions", "conditional", "dirac", "gaussian", "gaussian_textbook"]
