"""Which source a clip sounds like, by what a trained network knows already: the mean spectrum of each of its sources."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.denoiser import Denoiser
from engine.errors import PresetError
from engine.networks.local_gaussian import POWER_FLOOR, LocalGaussian, power

SHARPNESS = 10.0  # independent observations a clip is worth: its many cells are far from independent
DEPTH = 1e-6  # of a source's loudest band: what is under it tells nothing


def classifier(denoiser: Denoiser) -> Callable[[Tensor], Tensor]:
    """A differentiable function from (batch, samples) to the log odds of each source, (batch, sources), at any level.

    A clip is taken as a stationary Gaussian whose spectrum is that of source c at an unknown level. With its mean power p_b in
    band b and the source's v_cb, its log likelihood at the best level is -log mean_b(p_b / v_cb) - mean_b log v_cb a cell, up to
    a constant; all sources are equally likely before. PresetError for a network without spectra of its sources.
    """
    if not isinstance(denoiser, LocalGaussian):
        raise PresetError(
            "This model keeps no spectra of its sources to tell them apart by.", "Use --like, or the embedded model."
        )
    spectra = denoiser.mean_power
    spectra = spectra + DEPTH * spectra.amax(1, keepdim=True) + POWER_FLOOR
    share = denoiser.bands.width / denoiser.bands.width.sum()

    def log_odds(samples: Tensor) -> Tensor:
        heard = denoiser.bands.pool(power(denoiser.transform(samples[:, None]))).mean(-1) + POWER_FLOOR
        level = (heard / spectra * share).sum(-1).log()
        scores = -SHARPNESS * (level + (spectra.log() * share).sum(-1))
        others = ~torch.eye(len(spectra), dtype=torch.bool, device=scores.device)
        rivals = scores[:, None].expand(-1, len(spectra), -1).masked_fill(~others, -torch.inf)
        return scores - rivals.logsumexp(-1)

    return log_odds
