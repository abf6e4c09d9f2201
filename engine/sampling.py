"""One batch of chunks: a stem grid, a model and a preset become sources."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS, Options
from engine.diffusion.schedules import karras
from engine.likelihoods import KNOWN, LIKELIHOODS, LikelihoodOptions, embedding
from engine.models import Model
from engine.presets import Preset
from engine.stemgrid import StemGrid


def sample(
    model: Model,
    grid: StemGrid,
    preset: Preset,
    noise: Noise,
    on_step: Callable[[], None],
    *,
    draft: Tensor | None = None,
    style: tuple[Callable[[Tensor], Tensor], Tensor] | None = None,
) -> Tensor:
    """Sources of `grid`, (batch, sources, samples), at the model's rate and level.

    draft: of that shape, what sampling starts from beside noise: sigma_max (k z + (1 - k) draft / sigma_data) with k =
    preset.fresh (Levy et al. 2023, section 3; the unit of the draft is ours). style: an embedder and its target.
    """
    sigmas = karras(preset.steps, preset.sigma_min, preset.sigma_max, preset.rho)
    denoiser = guided(model.denoiser, grid, preset, model, noise, sigmas, style)
    x = preset.temperature * noise.like(grid.known)
    if draft is not None:
        x = preset.fresh * x + (1 - preset.fresh) * draft / model.spec.sigma_data
    x = torch.where(grid.known_mask, grid.known, 0) + sigmas[0].to(x) * x
    options = Options(preset.churn, preset.resamples)
    return SAMPLERS[preset.sampler](denoiser, x, sigmas, noise, options, lambda calls, state: on_step())


def guided(
    denoiser: Denoiser, grid: StemGrid, preset: Preset, model: Model, noise: Noise, sigmas: Tensor, style
) -> Denoiser:
    """The denoiser under all that is known of `grid`: style, then known cells, then the mixture, which has the last word."""
    sources = model.spec.sources
    constrained = sources.index(preset.constrained) if preset.constrained in sources else 0
    embed, target = style or (None, None)
    gain = 1 + min(preset.churn / preset.steps, 2**0.5 - 1)
    steps = torch.stack([sigmas[:-1] * gain, sigmas[1:]], 1)
    options = LikelihoodOptions(
        constrained, preset.gamma, preset.guidance, model.spec.sigma_data, noise, steps, embed, target
    )
    if style:
        denoiser = embedding(denoiser, grid, options)
    if grid.known_mask.any():
        denoiser = KNOWN[preset.known](denoiser, grid, options)
    if grid.mixture is not None:
        denoiser = LIKELIHOODS[preset.likelihood](denoiser, grid, options)
    return denoiser
