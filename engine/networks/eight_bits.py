"""The compact network's core with products of eight-bit numbers: four times as many a second as in float32, with VNNI.

Every convolution between features and every matrix of the overview is rounded once, each row by its own range; what goes into it
is rounded at each call, each item of a batch by its own range, so that no item changes another and nothing has to be
calibrated. Sums are of 32 bits and leave as float32; normalisation, SiLU, what blocks hear across and what is added stay float32
as well. The LSTM, which would hear the rounding at every step, is bfloat16 where the processor multiplies that. Torch's operators
of oneDNN do the work as they are: nobody waits for a compiler.
"""

import copy
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.devices import multiplies_bfloat16
from engine.networks.unet2d import Block, Overview, UNet2d


class EightBits(nn.Module):
    """A UNet2d, item by item: what lies between two convolutions stays in the processor's cache."""

    def __init__(self, core: UNet2d):
        super().__init__()
        with (
            warnings.catch_warnings()
        ):  # torch says once that quantized tensors will go; it is their bytes that are wanted
            warnings.simplefilter("ignore")
            rounded(torch.zeros(1))
        core = copy.deepcopy(core).eval()
        self.overview = None if core.overview is None else OverviewIn8(core.overview)
        core.overview = None
        replace_layers(core)
        self.core = core

    @torch.no_grad()
    def forward(self, x: Tensor, log_sigma: Tensor, told: Tensor | None = None) -> Tensor:
        """As UNet2d.forward, without a gradient."""
        if not bool(x.isfinite().all()):  # has no range to be rounded by; what it is made into is NaN in float32 too
            return x.new_full((len(x), self.core.outputs, *x.shape[2:]), torch.nan)
        found = x.new_empty(len(x), self.core.outputs, *x.shape[2:])
        for i, item in enumerate(found.split(1)):
            item.copy_(self.core(x[i : i + 1], log_sigma[i : i + 1], None if told is None else told[i : i + 1]))
        return found if self.overview is None else self.overview(x, found)


def replace_layers(module: nn.Module) -> None:
    """The module's blocks and its convolutions from features to features, in eight bits. The first one hears levels and stays."""
    for name, child in list(module.named_children()):
        if isinstance(child, Block):
            setattr(module, name, BlockIn8(child))
        elif isinstance(child, nn.Conv2d) and name != "enter":
            setattr(module, name, ConvIn8(child))
        elif isinstance(child, nn.ConvTranspose2d):
            setattr(module, name, GrowIn8(child))
        elif isinstance(child, nn.ModuleList):
            replace_layers(child)


def rounded(x: Tensor) -> tuple[Tensor, float, int]:
    """x as unsigned bytes b, and scale and zero so that x = scale (b - zero) over all its range. Conversions in steps (multiply,
    round, convert) take ten times as long; the bytes are looked at where they lie."""
    flat = (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).reshape(-1)
    lowest, highest = flat.aminmax()
    low, high = min(float(lowest), 0.0), max(float(highest), 0.0)
    scale = (high - low) / 255 or 1.0
    zero = round(-low / scale)
    held = torch.quantize_per_tensor(x, scale, zero, torch.quint8)
    return torch.empty(0, dtype=torch.uint8).set_(held.untyped_storage(), 0, held.shape, held.stride()), scale, zero


def rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """weight: (rows, ...) as signed bytes, and the scale of each row."""
    scale = weight.flatten(1).abs().amax(1).clamp_min(1e-12) / 127
    return (weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).round().to(torch.int8), scale


class ConvIn8(nn.Module):
    """nn.Conv2d of (1, inputs, rows, columns), channels last."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.where = [list(conv.stride), [int(side) for side in conv.padding], [1, 1]]
        weight, self.scale = rows(conv.weight.detach())
        self.zero, self.bias = torch.zeros(len(weight), dtype=torch.int64), conv.bias
        self.weight = torch.ops.onednn.qconv_prepack(weight, self.scale, 1.0, 0, *self.where, 1, None)

    def forward(self, x: Tensor) -> Tensor:
        b, scale, zero = rounded(x)
        own = self.weight, self.scale, self.zero, self.bias, *self.where
        return torch.ops.onednn.qconv2d_pointwise(b, scale, zero, *own, 1, 1.0, 0, torch.float32, "none", [], "")


class GrowIn8(nn.Module):
    """nn.ConvTranspose2d whose patches do not overlap: a convolution of single cells to all cells of their patches."""

    def __init__(self, conv: nn.ConvTranspose2d):
        super().__init__()
        inputs, self.outputs, self.high, self.wide = conv.weight.shape
        assert conv.bias is not None
        cells = nn.Conv2d(inputs, self.outputs * self.high * self.wide, 1)
        cells.weight = nn.Parameter(conv.weight.detach().permute(2, 3, 1, 0).reshape(-1, inputs, 1, 1))
        cells.bias = nn.Parameter(conv.bias.detach().repeat(self.high * self.wide))
        self.cells = ConvIn8(cells)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2:]
        y = (
            self.cells(x)
            .permute(0, 2, 3, 1)
            .reshape(1, rows, columns, self.high, self.wide, self.outputs)
            .transpose(2, 3)
        )
        return y.reshape(1, rows * self.high, columns * self.wide, self.outputs).permute(0, 3, 1, 2)


class BlockIn8(nn.Module):
    """Block, its modulation part of the second norm's weights."""

    def __init__(self, block: Block):
        super().__init__()
        self.norm1, self.norm2, self.modulate = block.norm1.norm, block.norm2.norm, block.modulate
        self.conv1, self.conv2 = ConvIn8(block.conv1), ConvIn8(block.conv2)
        self.shortcut = ConvIn8(block.shortcut) if isinstance(block.shortcut, nn.Conv2d) else block.shortcut
        self.across = block.across

    def forward(self, x: Tensor, side: Tensor) -> Tensor:
        scale, shift = self.modulate(side)[0].chunk(2)
        h = self.conv1(normed(x, self.norm1.weight, self.norm1.bias))
        heard = normed(h, self.norm2.weight * (1 + scale), self.norm2.bias * (1 + scale) + shift)
        h = self.conv2(heard)
        if self.across is not None:
            h = self.across(heard, h)
        return h.add_(self.shortcut(x))


def normed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Layer normalisation over channels, then SiLU: (1, channels, rows, columns)."""
    h = F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias)
    return F.silu(h, inplace=True).permute(0, 3, 1, 2)


class LinearIn8(nn.Module):
    """nn.Linear of one item, (steps, inputs), from its weight and bias."""

    def __init__(self, weight: Tensor, bias: Tensor):
        super().__init__()
        weight, self.scale = rows(weight.detach())
        self.zero, self.bias = torch.zeros(len(weight), dtype=torch.int64), bias.detach()
        self.weight = torch.ops.onednn.qlinear_prepack(weight, None)

    def forward(self, x: Tensor) -> Tensor:
        b, scale, zero = rounded(x)
        own = self.weight, self.scale, self.zero, self.bias
        return torch.ops.onednn.qlinear_pointwise(b, scale, zero, *own, 1.0, 0, torch.float32, "none", [], "")


class OverviewIn8(nn.Module):
    """Overview; its LSTM for all items at once, which share the reading of its weights."""

    def __init__(self, overview: Overview):
        super().__init__()
        self.step, self.norm = overview.STEP, overview.norm
        self.squeeze, self.expand = (
            LinearIn8(layer.weight, layer.bias) for layer in (overview.squeeze, overview.expand)
        )
        frame_by_frame = [
            tensor.unflatten(0, (-1, self.step))
            .transpose(0, 1)
            .flatten(0, 1)  # back to rows of time by one transposition
            for tensor in (overview.leave.weight, overview.leave.bias)
        ]
        self.leave = LinearIn8(*frame_by_frame)
        self.kind = torch.bfloat16 if multiplies_bfloat16(torch.device("cpu")) else torch.float32
        self.recur = overview.recur.to(self.kind)

    def forward(self, x: Tensor, found: Tensor) -> Tensor:
        """x: as Overview hears it. found: what it says is added to it."""
        h = self.norm(torch.stack([self.squeeze(self.heard(item)) for item in x])).tanh_()
        h = torch.cat([h, self.recur(h.to(self.kind))[0].float()], -1)
        for item, own in zip(found.flatten(1, 2), h, strict=True):
            said = self.leave(F.silu(self.expand(own), inplace=True)).reshape(-1, len(item))
            item.add_(said[: item.shape[1]].t().contiguous())
        return found

    def heard(self, x: Tensor) -> Tensor:
        """Means of STEP frames, the last filled up with zeros: (inputs, bands, frames) to (steps, inputs * bands)."""
        x = x.flatten(0, 1)
        mean = x[:, :: self.step] / self.step
        for turn in range(1, self.step):
            frames = x[:, turn :: self.step]
            mean[:, : frames.shape[1]].add_(frames, alpha=1 / self.step)
        return mean.t().contiguous()
