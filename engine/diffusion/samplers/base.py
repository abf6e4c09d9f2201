"""What all samplers share: their options and the form of a call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise


@dataclass(frozen=True)
class Options:
    """churn: S_churn of EDM, noise put back over the whole run (0: none). resamples: R, how often each step is repeated after
    adding its noise back ("correction" in MSDM; 1: no correction). Samplers that cannot use one ignore it."""

    churn: float = 0.0
    resamples: int = 1


OnStep = Callable[[int, Tensor], None]


class Sampler(Protocol):
    def __call__(
        self, denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, options: Options, on_step: OnStep
    ) -> Tensor: ...
