"""The paper's network: a waveform U-Net over all sources at once (Mariani et al., arXiv 2302.02257).

It is `UNet1d` of `audio-diffusion-pytorch` 0.0.43 with the arguments of the authors' `exp/train_msdm.yaml`, which are the
defaults here: 405,497,700 parameters for four sources, 405,491,100 for one. Tensor names and shapes are those of the
published checkpoint below its prefix `model.unet.`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.errors import ShapeError
from engine.networks.msdm_blocks import (
    AttentionSize,
    Listed,
    NoiseEmbedding,
    OverFrames,
    Patch,
    ResidualBlock,
    SelfAttention,
    Transformer,
    Unpatch,
    grow,
    shrink,
)


class Down(nn.Module):
    """Fewer frames, more channels. Every block's output is kept for the way up, the transformer's too."""

    def __init__(self, resample: nn.Module, blocks: list[ResidualBlock], transformer: Transformer | None):
        super().__init__()
        self.downsample = resample
        self.blocks = nn.ModuleList(blocks)
        self.transformer = transformer

    def forward(self, h: Tensor, mapping: Tensor, skips: list[Tensor]) -> Tensor:
        """Appends to skips what `Up` takes off again, last first."""
        h = self.downsample(h)
        for block in self.blocks:
            h = block(h, mapping)
            skips.append(h)
        if self.transformer is not None:
            h = self.transformer(h)
            skips.append(h)
        return h


class Bottleneck(nn.Module):
    """Attention between two blocks. It replaces what it hears: unlike a transformer's, it has no residual."""

    def __init__(self, pre: ResidualBlock, attention: SelfAttention | None, post: ResidualBlock):
        super().__init__()
        self.pre_block = pre
        self.attention = None if attention is None else OverFrames(attention)
        self.post_block = post

    def forward(self, h: Tensor, mapping: Tensor) -> Tensor:
        h = self.pre_block(h, mapping)
        if self.attention is not None:
            h = self.attention(h)
        return self.post_block(h, mapping)


class Up(nn.Module):
    """One block for each kept output of the `Down` opposite, then more frames and fewer channels."""

    def __init__(
        self, blocks: list[ResidualBlock], transformer: Transformer | None, resample: nn.Module, skip_scale: float
    ):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.transformer = transformer
        self.upsample = resample
        self.skip_scale = skip_scale

    def forward(self, h: Tensor, mapping: Tensor, skips: list[Tensor]) -> Tensor:
        for block in self.blocks:
            h = block(torch.cat([h, skips.pop() * self.skip_scale], dim=1), mapping)
        if self.transformer is not None:
            h = self.transformer(h)
        return self.upsample(h)


class MSDMUNet(nn.Module):
    """F(c_in * x, c_noise) of EDM preconditioning (Karras et al. 2022, eq. 7); the rest of it lives in engine/diffusion.

    in_channels: number of sources. channels: width after patching `patch_factor` samples. Level i goes from
    channels * multipliers[i] to channels * multipliers[i + 1] and down in rate by factors[i], with num_blocks[i] residual
    blocks and, where attentions[i], a transformer. use_skip_scale: skips weigh 2^-0.5.
    """

    def __init__(
        self,
        in_channels: int = 4,
        channels: int = 256,
        patch_factor: int = 16,
        multipliers: Sequence[int] = (1, 2, 4, 4, 4, 4, 4),
        factors: Sequence[int] = (4, 4, 4, 2, 2, 2),
        num_blocks: Sequence[int] = (2, 2, 2, 2, 2, 2),
        attentions: Sequence[bool] = (False, False, False, True, True, True),
        attention_heads: int = 8,
        attention_features: int = 128,
        attention_multiplier: int = 2,
        resnet_groups: int = 8,
        kernel_multiplier_downsample: int = 2,
        use_skip_scale: bool = True,
        use_attention_bottleneck: bool = True,
    ):
        super().__init__()
        _check(channels, patch_factor, multipliers, factors, num_blocks, attentions, kernel_multiplier_downsample)
        self.in_channels = in_channels
        self.length_multiple = patch_factor * math.prod(factors)
        size = AttentionSize(attention_heads, attention_features, attention_multiplier)
        features = 4 * channels
        widths = [channels * m for m in multipliers]

        def residuals(inputs: int, outputs: int, count: int) -> list[ResidualBlock]:
            return [ResidualBlock(inputs, outputs, features, resnet_groups) for _ in range(count)]

        def transformer(level: int) -> Transformer | None:
            return Transformer(widths[level + 1], size) if attentions[level] else None

        def down(level: int) -> Down:
            here, below = widths[level : level + 2]
            resample = shrink(here, below, factors[level], kernel_multiplier_downsample)
            return Down(resample, residuals(below, below, num_blocks[level]), transformer(level))

        def up(level: int) -> Up:
            here, below = widths[level : level + 2]
            blocks = residuals(2 * below, below, num_blocks[level] + bool(attentions[level]))
            skip_scale = 2**-0.5 if use_skip_scale else 1.0
            return Up(blocks, transformer(level), grow(below, here, factors[level]), skip_scale)

        levels = range(len(factors))
        pre, post = residuals(widths[-1], widths[-1], 2)
        self.to_time = nn.Sequential(
            nn.Sequential(NoiseEmbedding(channels // 2), nn.Linear(channels + 1, features)), nn.GELU()
        )
        self.to_mapping = nn.Sequential(
            nn.Linear(features, features), nn.GELU(), nn.Linear(features, features), nn.GELU()
        )
        self.to_in = Listed(Patch(in_channels, channels, patch_factor, features))
        self.downsamples = nn.ModuleList(down(level) for level in levels)
        self.bottleneck = Bottleneck(pre, SelfAttention(widths[-1], size) if use_attention_bottleneck else None, post)
        self.upsamples = nn.ModuleList(up(level) for level in reversed(levels))
        self.to_out = Listed(Unpatch(channels, in_channels, patch_factor, features))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        """x: (batch, sources, samples), scaled by c_in, samples a multiple of `length_multiple`; c_noise: (batch,),
        ln(sigma) / 4. Returns F, the shape of x."""
        self._check_input(x, c_noise)
        mapping = self.to_mapping(self.to_time(c_noise))
        entered = h = self.to_in(x, mapping)
        skips: list[Tensor] = []
        for down in self.downsamples:
            h = down(h, mapping, skips)
        h = self.bottleneck(h, mapping)
        for up in self.upsamples:
            h = up(h, mapping, skips)
        return self.to_out(h + entered, mapping)

    def _check_input(self, x: Tensor, c_noise: Tensor) -> None:
        if x.ndim != 3 or x.shape[1] != self.in_channels:
            raise ShapeError(f"Expected (batch, {self.in_channels} sources, samples), got {tuple(x.shape)}.")
        if x.shape[-1] == 0 or x.shape[-1] % self.length_multiple:
            raise ShapeError(
                f"The length must be a multiple of {self.length_multiple} samples, got {x.shape[-1]}.",
                f"Pad to {-(-max(x.shape[-1], 1) // self.length_multiple) * self.length_multiple} samples.",
            )
        if c_noise.shape != x.shape[:1]:
            raise ShapeError(f"c_noise must be (batch,) = ({x.shape[0]},), got {tuple(c_noise.shape)}.")


def _check(
    channels: int,
    patch_factor: int,
    multipliers: Sequence[int],
    factors: Sequence[int],
    num_blocks: Sequence[int],
    attentions: Sequence[bool],
    kernel_multiplier: int,
) -> None:
    """ValueError where arguments cannot make a U-Net whose output is as long as its input."""
    if not len(multipliers) - 1 == len(factors) == len(num_blocks) == len(attentions) > 0:
        raise ValueError("factors, num_blocks and attentions need one entry a level, multipliers one more.")
    if channels % patch_factor or channels % 2:
        raise ValueError(f"channels must be even and a multiple of patch_factor, got {channels} and {patch_factor}.")
    if min(factors) < 2 or kernel_multiplier % 2:
        raise ValueError("factors must be 2 or more, and kernel_multiplier_downsample even.")
