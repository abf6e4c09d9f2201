"""Classifier guidance: the wanted sources shall be called what the user names (Levy et al. 2023, section 3 and table 2)."""

import torch
from torch import Tensor

from engine.denoiser import Denoiser
from engine.errors import PresetError
from engine.likelihoods.base import LikelihoodOptions
from engine.likelihoods.gradient import guided, normalised
from engine.stemgrid import StemGrid


def classifier(denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser:
    """Binary cross entropy between options.label, a probability for each class, and their log odds by options.classify for the sum
    of the wanted sources of the estimate, with the normalised step: guidance is a share of sigma."""
    if options.classify is None or options.label is None:
        raise PresetError("Classifier guidance needs a classifier and a class.", "Name one with --towards.")
    classify, label = options.classify, options.label
    wanted = (~grid.known_mask).any(-1, keepdim=True)

    def entropy(estimate: Tensor) -> Tensor:
        odds = classify((estimate * wanted).sum(1))
        return torch.nn.functional.binary_cross_entropy_with_logits(odds, label.expand_as(odds), reduction="none").sum(
            1
        )

    return guided(denoiser, entropy, normalised(options.guidance))
