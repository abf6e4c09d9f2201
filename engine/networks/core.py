"""The core of a denoiser: the one network of real numbers in it, which does the work and holds the weights.

Transforms, bands and closed forms stay around it in torch: some are complex (which ONNX is not good at), and what the mathematics
promises holds whatever runs the core. Exports and back ends take the core out, run it another way and put that in its place; the
rest is then computed in place (engine/networks/in_place.py). A network says in `CORE` which of its attributes it is.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engine.denoiser import Conditioning, Denoiser, ModelSpec
from engine.errors import ModelError
from engine.networks.msdm_blocks import NoiseEmbedding
from engine.networks.unet2d import NoiseLevel


def core_of(denoiser: Denoiser) -> nn.Module:
    """The core. ModelError for a network that has none: one of another package, whose insides are not ours."""
    name = getattr(denoiser, "CORE", "")
    if not name:
        raise ModelError(
            f"'{type(denoiser).__name__}' is not a network of this project: it cannot be exported, nor run by another back end.",
            "Use it with --backend torch.",
        )
    return getattr(denoiser, name)


def replace_core(denoiser: Denoiser, run: Callable[..., Tensor]) -> Denoiser:
    """The denoiser, changed: `run` computes its core from now on, but where a gradient is asked for."""
    core = core_of(denoiser)
    setattr(denoiser, getattr(denoiser, "CORE", ""), Replaced(core, run))
    return denoiser


class Replaced(nn.Module):
    """Stands where the core was. Guidance needs gradients, which exports do not have: then the core itself answers."""

    def __init__(self, core: nn.Module, run: Callable[..., Tensor]):
        super().__init__()
        self.core, self.run = core, run

    def forward(self, *inputs: Tensor) -> Tensor:
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
            return self.core(*inputs)
        with torch.no_grad():
            return self.run(*inputs)


class Rounded(nn.Module):
    """A core with weights and activations of another type, float32 in and out. The noise level is told in float32 all the same: of
    ln(sigma) = -9 bfloat16 keeps steps of 0.06, which sines would make much of."""

    def __init__(self, core: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.core, self.dtype = copy.deepcopy(core), dtype
        levels = [module for module in self.core.modules() if isinstance(module, NoiseLevel | NoiseEmbedding)]
        exact = {id(tensor) for level in levels for tensor in (*level.parameters(), *level.buffers())}
        for tensor in (*self.core.parameters(), *self.core.buffers()):
            if id(tensor) not in exact:
                tensor.data = tensor.data.to(dtype)
        for level in levels:
            level.register_forward_hook(lambda _, inputs, output: output.to(dtype))

    def forward(self, x: Tensor, noise: Tensor, *others: Tensor) -> Tensor:
        return self.core(x.to(self.dtype), noise, *(other.to(self.dtype) for other in others)).float()


def probe(
    spec: ModelSpec, batch: int, samples: int, seed: int = 0, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor, Conditioning]:
    """What a denoiser may be tried on: x, sigma and conditioning; sigmas around sigma_data; the mixture, and what is known, where
    they are heard.

    The clean sources are the first that a generator of the same seed makes: `sounds`. At least `samples` long.
    """
    generator = torch.Generator().manual_seed(seed)
    clean = sounds(spec, batch, samples, generator)
    sigma = spec.sigma_data * torch.logspace(-1, 1, batch) if batch > 1 else torch.tensor([spec.sigma_data])
    x = clean + sigma[:, None, None] * torch.randn(clean.shape, generator=generator)
    known = torch.zeros(x.shape, dtype=torch.bool)
    if spec.hears_known:
        known[0, -1, : samples // 2] = True  # a stretch of the last source
    x = torch.where(known, clean, x)
    mixture = (clean * ~known).sum(1).to(device) if spec.conditional else None
    return x.to(device), sigma.to(device), Conditioning(mixture, known=known.to(device) if spec.hears_known else None)


def sounds(spec: ModelSpec, batch: int, samples: int, generator: torch.Generator) -> Tensor:
    """Sources of noise whose spectrum falls by 6 dB an octave, as music's does on the whole: (batch, sources, samples or more)."""
    samples += -samples % spec.length_multiple
    white = torch.randn(batch, len(spec.sources), samples, generator=generator)
    frequency = torch.fft.rfftfreq(samples, 1 / spec.sample_rate)
    clean = torch.fft.irfft(torch.fft.rfft(white) / (1 + frequency / 200), samples)
    return clean * (spec.sigma_data / clean.std())


@torch.no_grad()
def core_inputs(denoiser: Denoiser, given: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """What the core hears when the denoiser is called so. An input of zeros, which would show nothing, is made noise."""
    seen: list[tuple[Tensor, ...]] = []
    hook = core_of(denoiser).register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    try:
        denoiser(*given)
    finally:
        hook.remove()
    generator = torch.Generator().manual_seed(0)
    return tuple(t if t.any() else torch.randn(t.shape, generator=generator).to(t) for t in seen[0])
