"""What all likelihoods share: the form of a call, their options, and what is left of the mixture beside known stems."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise
from engine.errors import PresetError
from engine.stemgrid import StemGrid


@dataclass(frozen=True)
class LikelihoodOptions:
    """constrained: index of the source Dirac eliminates. gamma: width of the Gaussian likelihood over sigma.
    guidance: strength of a gradient; its unit stands in the file of each that uses one. sigma_data: of a source.
    emphasis: of what known cells say where the network hears them, see heard.py; 1: as it is.
    noise: draws the noise that known cells are heard through. steps: (n, 2), the sigmas each sampler step goes from and to.
    embed: (batch, samples) to (batch, features), differentiable; target: (features,), what the wanted sources shall sound like.
    classify: (batch, samples) to the log odds of each class, (batch, classes), differentiable; label: (classes,), 0 to 1 each.
    """

    constrained: int = 0
    gamma: float = 0.75
    guidance: float = 0.2
    sigma_data: float = 1.0
    emphasis: float = 1.0
    noise: Noise | None = None
    steps: Tensor | None = None
    embed: Callable[[Tensor], Tensor] | None = None
    target: Tensor | None = None
    classify: Callable[[Tensor], Tensor] | None = None
    label: Tensor | None = None


class Likelihood(Protocol):
    def __call__(self, denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser: ...


def mixture_of(grid: StemGrid, likelihood: str) -> tuple[Tensor, Tensor]:
    """What the wanted sources must add up to, (batch, samples): the mixture less what is known of it; and where it holds, bool.
    PresetError without a mixture."""
    if grid.mixture is None:
        raise PresetError(f"The {likelihood} likelihood needs a mixture.", "Give one, or choose a task without it.")
    return grid.mixture - (grid.known * grid.known_mask).sum(1), grid.mixture_holds()
