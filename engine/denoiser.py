"""The seam everything stands on: a denoiser is a callable, and wrapping one gives a denoiser again."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.errors import ShapeError


@dataclass(frozen=True)
class ModelSpec:
    """What a model is, whatever back end runs it.

    sources: names in the order of the `sources` axis.
    sample_rate: Hz. chunk: samples the model was trained on and is run on.
    sigma_data: standard deviation of one source at the level the model was trained on (full scale is 1).
    level: RMS that mixtures had in training; the pipeline brings a song there and back. 0: they were left, and are, as they were.
    length_multiple: a chunk's length must be a multiple of this many samples.
    conditional: the denoiser also accepts the mixture as conditioning (`Conditioning.mixture`).
    hears_known: it also accepts sources that are clean already (`Conditioning.known`).
    text: name of the sentence encoder whose vectors it accepts (`Conditioning.text`), "" where it accepts none.
    """

    sources: tuple[str, ...]
    sample_rate: int
    chunk: int
    sigma_data: float
    level: float = 0.1
    length_multiple: int = 1
    conditional: bool = False
    text: str = ""
    hears_known: bool = False

    def gain(self, level: float) -> float:
        """What brings a song of that level, RMS, to the one the model was trained at."""
        return self.level / level if self.level else 1.0


@dataclass(frozen=True)
class Conditioning:
    """Side input of a denoiser, None where it is not given. mixture: (batch, samples), the clean sum of what is not known. text:
    (batch, features), a sentence about each item (see engine/conditioning). known: bool, the shape of x, where x has no noise."""

    mixture: Tensor | None = None
    text: Tensor | None = None
    known: Tensor | None = None


class Denoiser(Protocol):
    """Estimates clean sources from noisy ones: E[clean | x = clean + sigma * noise, conditioning]."""

    def __call__(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """x: (batch, sources, samples); sigma: scalar or (batch,), > 0; returns the shape of x."""
        ...


def per_item(sigma: Tensor, x: Tensor) -> Tensor:
    """Shape sigma, scalar or (batch,), to (batch, 1, 1) for x: (batch, sources, samples)."""
    if x.ndim != 3:
        raise ShapeError(f"Expected (batch, sources, samples), got {tuple(x.shape)}.")
    if sigma.ndim not in (0, 1) or (sigma.ndim == 1 and sigma.shape[0] not in (1, x.shape[0])):
        raise ShapeError(f"sigma must be a scalar or (batch,) = ({x.shape[0]},), got {tuple(sigma.shape)}.")
    return sigma.to(x).reshape(-1, 1, 1).expand(x.shape[0], 1, 1)
