"""Embedding guidance: the wanted sources shall sound like a clip (Levy et al. 2023, section 3 and table 2)."""

from torch import Tensor

from engine.denoiser import Denoiser
from engine.errors import PresetError
from engine.likelihoods.base import LikelihoodOptions
from engine.likelihoods.gradient import guided, norm, normalised
from engine.stemgrid import StemGrid


def embedding(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """L2 distance of the embedding of the sum of the wanted sources to the clip's, options.embed and options.target, with the
    normalised step: guidance is a share of sigma. Known cells are left to the likelihood around this one."""
    if options.embed is None or options.target is None:
        raise PresetError("Embedding guidance needs an embedder and a clip to sound like.", "Give a clip with --like.")
    embed, target = options.embed, options.target
    wanted = (~grid.known_mask).any(-1, keepdim=True)

    def distance(estimate: Tensor) -> Tensor:
        return norm(embed((estimate * wanted).sum(1)) - target)

    return guided(denoiser, distance, normalised(options.guidance))
