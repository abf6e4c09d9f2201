"""Likelihoods: how an observation pulls the samples. Each wraps (denoiser, grid) into a denoiser. One file each.

LIKELIHOODS says how the mixture pulls, KNOWN how known cells do, by name: `wrap(denoiser, grid, options) -> Denoiser`. What a
likelihood needs of `options` stands in its file.
"""

from engine.likelihoods.base import Likelihood, LikelihoodOptions
from engine.likelihoods.classifier import classifier
from engine.likelihoods.conditional import conditional
from engine.likelihoods.dirac import dirac
from engine.likelihoods.embedding import embedding
from engine.likelihoods.gaussian import gaussian, gaussian_textbook
from engine.likelihoods.heard import heard
from engine.likelihoods.reconstruction import dps, reconstruction, reconstruction_fixed
from engine.likelihoods.replacement import replacement

LIKELIHOODS: dict[str, Likelihood] = {
    "conditional": conditional,
    "dirac": dirac,
    "gaussian": gaussian,
    "gaussian-textbook": gaussian_textbook,
}
KNOWN: dict[str, Likelihood] = {
    "heard": heard,
    "replacement": replacement,
    "reconstruction": reconstruction,
    "reconstruction-fixed": reconstruction_fixed,
    "dps": dps,
}

__all__ = ["KNOWN", "LIKELIHOODS", "Likelihood", "LikelihoodOptions", "classifier", "embedding"]
