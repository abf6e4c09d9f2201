"""A 2-D U-Net over (bands, frames) with the noise level as side input and a recurrent bottom that hears all bands at once.

Convolutions find out late how far apart the partials of a note lie. So its blocks may hear all rows of a column across, and beside
it an overview may run, which hears all bands at full resolution in time.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UNet2d(nn.Module):
    """(batch, inputs, bands, frames) to (batch, outputs, bands, frames), zero before training.

    Normalisation is per cell over channels, never over time: what is heard late in a chunk cannot change what is said early
    except through the bottom, so chunks agree where they overlap.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bands: int,
        channels: tuple[int, ...],
        patch: tuple[int, int],
        context: int,
        overview: tuple[int, int] | None = None,
        across: int = 0,
    ):
        """channels: of each level. patch: (bands, frames) of a cell. context: units at the bottom. overview: (units, layers).
        across: how many rows are squeezed into one where blocks hear all of them, 0 where they do not."""
        super().__init__()
        self.patch, self.outputs = patch, outputs
        self.multiple = patch[1] * 2 ** (len(channels) - 1)
        rows, side, width = bands // patch[0], 4 * channels[0], channels[0]
        self.side = side
        self.noise = nn.Sequential(NoiseLevel(64), nn.Linear(128, side), nn.SiLU(), nn.Linear(side, side), nn.SiLU())
        self.enter = nn.Conv2d(inputs, width, patch, stride=patch)
        self.place = nn.Parameter(torch.randn(1, width, rows, 1) * 0.1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for level, (here, below) in enumerate(itertools.pairwise(channels)):
            self.down.append(Block(here, here, side, rows >> level, across))
            self.shrink.append(nn.Conv2d(here, below, 2, stride=2))
        bottom_rows = rows // 2 ** (len(channels) - 1)
        self.bottom_in = Block(channels[-1], channels[-1], side)
        self.context = TimeContext(channels[-1] * bottom_rows, context)
        self.bottom_out = Block(channels[-1], channels[-1], side)
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (here, below) in reversed(list(enumerate(itertools.pairwise(channels)))):
            self.grow.append(nn.ConvTranspose2d(below, here, 2, stride=2))
            self.up.append(Block(2 * here, here, side, rows >> level, across))
        self.leave = nn.ConvTranspose2d(2 * width, outputs, patch, stride=patch)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]
        self.overview = Overview(inputs, outputs, bands, *overview) if overview else None

    def forward(self, x: Tensor, log_sigma: Tensor, told: Tensor | None = None) -> Tensor:
        """x: (batch, inputs, bands, frames), any number of frames; log_sigma: (batch,); told: (batch, side), more side input."""
        frames, heard = x.shape[-1], x
        x = F.pad(x, (0, -frames % self.multiple)).contiguous(memory_format=torch.channels_last)
        side = self.noise(log_sigma) if told is None else self.noise(log_sigma) + told
        h = entered = self.enter(x) + self.place
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, side)
            skips.append(h)
            h = shrink(h)
        h = self.bottom_out(self.context(self.bottom_in(h, side)), side)
        for grow, block in zip(self.grow, self.up, strict=True):
            h = block(torch.cat([grow(h), skips.pop()], 1), side)
        found = self.leave(torch.cat([h, entered], 1))[..., :frames].float()
        return found if self.overview is None else found + self.overview(heard).float()

    def inner(self) -> list[nn.Parameter]:
        """The matrices that Muon moves: all but those at the ends (`enter`, `place`, every `leave`) and those that make the side
        input of the noise level (`noise`). What blocks make of the side input (`modulate`) and the overview's first (`squeeze`)
        are among them."""
        ends = {"enter", "leave", "place", "noise"}
        return [p for name, p in self.named_parameters() if p.ndim > 1 and ends.isdisjoint(name.split("."))]


class NoiseLevel(nn.Module):
    """log sigma as sines and cosines of `count` frequencies: (batch,) to (batch, 2 * count)."""

    def __init__(self, count: int):
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(-1.5, 0.7, count) * math.tau / 4, persistent=False)
        self.frequencies: Tensor

    def forward(self, log_sigma: Tensor) -> Tensor:
        angle = log_sigma[:, None] * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], 1)


class Block(nn.Module):
    """Residual block: norm, SiLU, 3x3 convolution, twice; the noise level scales and shifts the second norm. What the second
    convolution hears, all rows of a column may be heard of as well."""

    def __init__(self, inputs: int, outputs: int, side: int, rows: int = 0, across: int = 0):
        super().__init__()
        self.norm1, self.norm2 = CellNorm(inputs), CellNorm(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.modulate = nn.Linear(side, 2 * outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.across = Across(rows, max(1, rows // across)) if across else None

    def forward(self, x: Tensor, side: Tensor) -> Tensor:
        scale, shift = self.modulate(side)[..., None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)))
        heard = F.silu(self.norm2(h) * (1 + scale) + shift)
        h = self.conv2(heard)
        return self.shortcut(x) + (h if self.across is None else self.across(heard, h))


class Across(nn.Module):
    """All rows of a column at once, each channel for itself and all channels alike: the time-distributed fully connected layers of
    Choi et al. 2020 (section 3.3), added to `found`, zero before training. (batch, channels, rows, columns), channels last."""

    def __init__(self, rows: int, squeezed: int):
        super().__init__()
        self.squeeze, self.expand = nn.Linear(rows, squeezed), nn.Linear(squeezed, rows, bias=False)
        nn.init.zeros_(self.expand.weight)

    def forward(self, heard: Tensor, found: Tensor) -> Tensor:
        batch, channels, _, columns = found.shape
        x, sums = (each.permute(0, 2, 3, 1).flatten(2) for each in (heard, found))  # as they lie in memory
        squeeze, expand = (layer.weight.expand(batch, -1, -1) for layer in (self.squeeze, self.expand))
        h = F.silu(torch.baddbmm(self.squeeze.bias[:, None], squeeze, x))
        return torch.baddbmm(sums, expand, h).unflatten(2, (columns, channels)).permute(0, 3, 1, 2)


class CellNorm(nn.Module):
    """Layer normalisation over the channels of each cell of (batch, channels, rows, columns)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TimeContext(nn.Module):
    """All rows of a column as one vector, a bidirectional GRU along time, added back."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.squeeze = nn.Linear(features, hidden)
        self.recur = nn.GRU(hidden, hidden // 2, batch_first=True, bidirectional=True)
        self.expand = nn.Linear(hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, rows, columns = x.shape
        h = x.permute(0, 3, 1, 2).reshape(batch, columns, channels * rows)
        h, _ = self.recur(self.squeeze(self.norm(h)))
        return x + self.expand(h).reshape(batch, columns, channels, rows).permute(0, 2, 3, 1)


class Overview(nn.Module):
    """All bands of `STEP` frames as one vector, bidirectional LSTMs along time, and back to bands: the shape of Open-Unmix (Stoeter
    et al. 2019). (batch, inputs, bands, frames) to (batch, outputs, bands, frames), zero before training."""

    STEP = 2

    def __init__(self, inputs: int, outputs: int, bands: int, units: int, layers: int):
        super().__init__()
        self.outputs = outputs
        self.squeeze, self.norm = nn.Linear(inputs * bands, units), nn.LayerNorm(units)
        self.recur = nn.LSTM(units, units // 2, layers, batch_first=True, bidirectional=True)
        self.expand, self.leave = nn.Linear(2 * units, units), nn.Linear(units, outputs * bands * self.STEP)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, inputs, bands, frames = x.shape
        x = F.pad(x, (0, -frames % self.STEP))
        steps = x.shape[-1] // self.STEP
        x = x.reshape(batch, inputs * bands, steps, self.STEP).mean(-1).transpose(1, 2)
        h = self.norm(self.squeeze(x)).tanh()
        h = F.silu(self.expand(torch.cat([h, self.recur(h)[0]], -1)))
        cells = self.leave(h).reshape(batch, steps, self.outputs, bands, self.STEP).permute(0, 2, 3, 1, 4)
        return cells.reshape(batch, self.outputs, bands, steps * self.STEP)[..., :frames]
