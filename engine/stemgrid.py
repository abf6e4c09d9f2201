"""The problem every task poses: a grid of sources by time, in which some cells are known.

A cell is *known* (the user gave it) or *wanted*. Over any stretch a *mixture* may be given as well, which says only what
the sources add up to. Generating, accompanying, separating, infilling: each is a way to fill one of these.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import ShapeError


@dataclass(frozen=True)
class StemGrid:
    """known: (batch, sources, samples), audio of the known cells, anything elsewhere.
    known_mask: bool, same shape, true where a cell is known.
    mixture: (batch, samples) or None. mixture_mask: bool (batch, samples), true where the mixture holds; None: everywhere.
    """

    known: Tensor
    known_mask: Tensor
    mixture: Tensor | None = None
    mixture_mask: Tensor | None = None

    def __post_init__(self) -> None:
        if self.known.ndim != 3 or self.known_mask.shape != self.known.shape:
            raise ShapeError(
                f"known and its mask must both be (batch, sources, samples), "
                f"got {tuple(self.known.shape)} and {tuple(self.known_mask.shape)}."
            )
        batch, _, samples = self.known.shape
        for name, array in (("mixture", self.mixture), ("mixture_mask", self.mixture_mask)):
            if array is not None and array.shape != (batch, samples):
                raise ShapeError(f"{name} must be (batch, samples) = {(batch, samples)}, got {tuple(array.shape)}.")
        if self.mixture is None and self.mixture_mask is not None:
            raise ShapeError("A mixture_mask was given without a mixture.")

    @property
    def shape(self) -> torch.Size:
        """(batch, sources, samples)."""
        return self.known.shape

    def mixture_holds(self) -> Tensor:
        """bool (batch, samples): where the sources must add up to the mixture."""
        if self.mixture is None:
            return torch.zeros_like(self.known_mask[:, 0])
        return torch.ones_like(self.known_mask[:, 0]) if self.mixture_mask is None else self.mixture_mask

    def items(self, which: slice) -> "StemGrid":
        """Some of the batch."""
        mixture, mask = (None if array is None else array[which] for array in (self.mixture, self.mixture_mask))
        return StemGrid(self.known[which], self.known_mask[which], mixture, mask)

    @classmethod
    def to_separate(cls, mixture: Tensor, sources: int) -> "StemGrid":
        """Nothing known but the mixture, (batch, samples): the separation of MSDM, section 4."""
        if mixture.ndim != 2:
            raise ShapeError(f"mixture must be (batch, samples), got {tuple(mixture.shape)}.")
        known = mixture.new_zeros(mixture.shape[0], sources, mixture.shape[1])
        return cls(known, torch.zeros_like(known, dtype=torch.bool), mixture)
