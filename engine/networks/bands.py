"""Bands: bins of the transform, one each at low frequencies and several together above."""

import torch
from torch import Tensor, nn


class Bands(nn.Module):
    """Groups `bins` into `count` bands whose widths are powers of two growing with frequency.

    The lowest half of the bands keep single bins; the next quarter hold 2 bins each, the last quarter share what is left,
    as in hearing, where resolution falls with frequency.
    """

    def __init__(self, bins: int, count: int):
        super().__init__()
        half, quarter = count // 2, count // 4
        widths = [1] * half + [2] * quarter
        rest, left = count - half - quarter, bins - half - 2 * quarter
        if left < rest:
            raise ValueError(f"{bins} bins are too few for {count} bands.")
        edges = torch.linspace(0, left, rest + 1).round().long()
        widths += (edges[1:] - edges[:-1]).tolist()
        band_of_bin = torch.repeat_interleave(torch.arange(count), torch.tensor(widths))
        self.count = count
        self.register_buffer("band_of_bin", band_of_bin, persistent=False)
        self.register_buffer("width", torch.tensor(widths, dtype=torch.float32), persistent=False)
        self.band_of_bin: Tensor
        self.width: Tensor

    def pool(self, power: Tensor) -> Tensor:
        """Mean power a band: (..., bins, frames) to (..., bands, frames)."""
        summed = power.new_zeros(*power.shape[:-2], self.count, power.shape[-1])
        return summed.index_add_(power.ndim - 2, self.band_of_bin, power) / self.width[:, None]

    def spread(self, values: Tensor) -> Tensor:
        """A band's value to each of its bins: (..., bands, frames) to (..., bins, frames)."""
        return values.index_select(-2, self.band_of_bin)
