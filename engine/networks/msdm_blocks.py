"""Blocks of the MSDM network: residual convolutions modulated by the noise level, attention over time, resampling.

The published checkpoint names its tensors after the attributes of `audio-diffusion-pytorch` 0.0.43 (`block1.groupnorm`,
`attention.fn.to_q`, `feed_forward.3.g`, ...), so attribute names and nesting here are given; the rest is ours.
Everywhere h: (batch, channels, frames) and mapping: (batch, features), the embedded noise level.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class AttentionSize:
    """heads: their number; features: of one head; multiplier: width of the feed-forward layer over that of the block."""

    heads: int
    features: int
    multiplier: int


class NoiseEmbedding(nn.Module):
    """c_noise: (batch,) to (batch, 2 * frequencies + 1): the value itself, then sines and cosines at learned frequencies."""

    def __init__(self, frequencies: int):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(frequencies))

    def forward(self, c_noise: Tensor) -> Tensor:
        angles = 2 * math.pi * torch.outer(c_noise, self.weights)
        return torch.cat([c_noise[:, None], angles.sin(), angles.cos()], dim=1)


class ScaleShift(nn.Module):
    """mapping to a scale around 1 and a shift around 0, each (batch, channels, 1)."""

    def __init__(self, features: int, channels: int):
        super().__init__()
        self.to_scale_shift = nn.Sequential(nn.SiLU(), nn.Linear(features, 2 * channels))

    def forward(self, mapping: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.to_scale_shift(mapping)[..., None].chunk(2, dim=1)
        return 1 + scale, shift


class NormConv(nn.Module):
    """Group norm, optional modulation, SiLU, convolution over three frames; the length stays."""

    def __init__(self, inputs: int, outputs: int, groups: int):
        super().__init__()
        self.groupnorm = nn.GroupNorm(groups, inputs)
        self.project = nn.Conv1d(inputs, outputs, 3, padding=1)

    def forward(self, h: Tensor, scale_shift: tuple[Tensor, Tensor] | None = None) -> Tensor:
        h = self.groupnorm(h)
        if scale_shift is not None:
            h = h * scale_shift[0] + scale_shift[1]
        return self.project(F.silu(h))


class ResidualBlock(nn.Module):
    """Two NormConvs beside a shortcut; the noise level enters between them."""

    def __init__(self, inputs: int, outputs: int, features: int, groups: int):
        super().__init__()
        self.block1 = NormConv(inputs, outputs, groups)
        self.to_scale_shift = ScaleShift(features, outputs)
        self.block2 = NormConv(outputs, outputs, groups)
        self.to_out = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)

    def forward(self, h: Tensor, mapping: Tensor) -> Tensor:
        return self.to_out(h) + self.block2(self.block1(h), self.to_scale_shift(mapping))


class Norm(nn.Module):
    """Layer norm over channels with a gain `g` and no bias. The gain's shape says where channels lie: (channels,) last,
    (1, channels, 1) in the middle."""

    def __init__(self, *shape: int):
        super().__init__()
        self.g = nn.Parameter(torch.ones(shape))

    def forward(self, h: Tensor) -> Tensor:
        if self.g.ndim == 1:
            return F.layer_norm(h, self.g.shape, self.g)
        gain = self.g.flatten()
        return F.layer_norm(h.transpose(1, 2), gain.shape, gain).transpose(1, 2)


class Heads(nn.Module):
    """Softmax attention over (batch, frames, heads * features), mixed back to `channels` and normalised again."""

    def __init__(self, channels: int, size: AttentionSize):
        super().__init__()
        self.heads = size.heads
        self.to_out = nn.Sequential(nn.Linear(size.heads * size.features, channels, bias=False), Norm(channels))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(attended.transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    """Self-attention of (batch, frames, channels), normalised before and after; the caller adds the residual, if any."""

    def __init__(self, channels: int, size: AttentionSize):
        super().__init__()
        inner = size.heads * size.features
        self.norm = Norm(channels)
        self.to_q = nn.Linear(channels, inner, bias=False)
        self.to_kv = nn.Linear(channels, 2 * inner, bias=False)
        self.attention = Heads(channels, size)

    def forward(self, h: Tensor) -> Tensor:
        h = self.norm(h)
        k, v = self.to_kv(h).chunk(2, dim=-1)
        return self.attention(self.to_q(h), k, v)


class OverFrames(nn.Module):
    """Runs `fn`, which wants (batch, frames, channels), on (batch, channels, frames)."""

    def __init__(self, fn: nn.Module):
        super().__init__()
        self.fn = fn

    def forward(self, h: Tensor) -> Tensor:
        return self.fn(h.transpose(1, 2)).transpose(1, 2)


class Transformer(nn.Module):
    """Residual self-attention, then a residual feed-forward layer with a norm before each of its convolutions."""

    def __init__(self, channels: int, size: AttentionSize):
        super().__init__()
        wide = channels * size.multiplier
        self.attention = OverFrames(SelfAttention(channels, size))
        self.feed_forward = nn.Sequential(
            Norm(1, channels, 1),
            nn.Conv1d(channels, wide, 1, bias=False),
            nn.GELU(),
            Norm(1, wide, 1),
            nn.Conv1d(wide, channels, 1, bias=False),
        )

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.attention(h)
        return h + self.feed_forward(h)


class Patch(nn.Module):
    """Residual block at full rate, then `size` neighbouring samples become channels (the channel index is the slow one)."""

    def __init__(self, inputs: int, outputs: int, size: int, features: int):
        super().__init__()
        self.size = size
        self.block = ResidualBlock(inputs, outputs // size, features, groups=min(size, inputs))

    def forward(self, x: Tensor, mapping: Tensor) -> Tensor:
        h = self.block(x, mapping)
        return h.unflatten(-1, (-1, self.size)).transpose(2, 3).flatten(1, 2)


class Unpatch(nn.Module):
    """The way back: channels become neighbouring samples, then a residual block at full rate."""

    def __init__(self, inputs: int, outputs: int, size: int, features: int):
        super().__init__()
        self.size = size
        self.block = ResidualBlock(inputs // size, outputs, features, groups=min(size, outputs))

    def forward(self, h: Tensor, mapping: Tensor) -> Tensor:
        x = h.unflatten(1, (-1, self.size)).transpose(2, 3).flatten(2)
        return self.block(x, mapping)


class Listed(nn.Module):
    """One module under the name the checkpoint has for a list of them (`module_list.0`)."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module_list = nn.ModuleList([module])

    def forward(self, h: Tensor, mapping: Tensor) -> Tensor:
        return self.module_list[0](h, mapping)


def shrink(inputs: int, outputs: int, factor: int, kernel_multiplier: int) -> nn.Conv1d:
    """Strided convolution from n * factor frames to n; kernel_multiplier is even."""
    kernel = factor * kernel_multiplier + 1
    return nn.Conv1d(inputs, outputs, kernel, stride=factor, padding=kernel // 2)


def grow(inputs: int, outputs: int, factor: int) -> nn.ConvTranspose1d:
    """Transposed convolution from n frames to n * factor; an odd factor needs one frame of padding more on each side."""
    odd = factor % 2
    return nn.ConvTranspose1d(inputs, outputs, 2 * factor, stride=factor, padding=factor // 2 + odd, output_padding=odd)
