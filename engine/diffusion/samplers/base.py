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


OnStep = Callable[[], None]


def steps_of(sigmas: Tensor, x: Tensor) -> list[tuple[Tensor, Tensor, bool]]:
    """(sigma, the next one, whether that is above 0) of each step, both where x lies. Asked here once: where a step asks for a
    number, a GPU stands still until it has been told. What one step ends at the next begins with, and it is the same tensor."""
    levels = sigmas.to(x).unbind()
    return list(zip(levels[:-1], levels[1:], (sigmas[1:] > 0).tolist(), strict=True))


class Sampler(Protocol):
    def __call__(
        self, denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, options: Options, on_step: OnStep
    ) -> Tensor: ...
