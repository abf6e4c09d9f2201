"""What all likelihoods share: the form of a call and the mixture they must have."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.denoiser import Denoiser
from engine.errors import PresetError
from engine.stemgrid import StemGrid


@dataclass(frozen=True)
class LikelihoodOptions:
    """constrained: index of the source Dirac eliminates. gamma: width of the Gaussian likelihood over sigma."""

    constrained: int = 0
    gamma: float = 0.75


class Likelihood(Protocol):
    def __call__(self, denoiser: Denoiser, grid: StemGrid, options: LikelihoodOptions) -> Denoiser: ...


def mixture_of(grid: StemGrid, likelihood: str) -> tuple[Tensor, Tensor]:
    """Mixture (batch, samples) and where it holds, bool; PresetError without one."""
    if grid.mixture is None:
        raise PresetError(f"The {likelihood} likelihood needs a mixture.", "Give one, or choose a task without it.")
    return grid.mixture, grid.mixture_holds()
