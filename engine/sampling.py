"""One batch of chunks: a stem grid, a model and a preset become sources; in parts where memory does not do for all at once."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS, Options
from engine.diffusion.schedules import karras
from engine.errors import PresetError, ResourceError
from engine.likelihoods import KNOWN, LIKELIHOODS, LikelihoodOptions, classifier, embedding
from engine.likelihoods.base import mixture_of
from engine.memory import out_of_memory, room, seen
from engine.models import Model
from engine.networks import LocalGaussian
from engine.networks.classifier import classifier as classifier_of
from engine.presets import Preset
from engine.stemgrid import StemGrid

Style = tuple[Callable[[Tensor], Tensor], Tensor]
"""An embedder, and what it shall say of wanted sources."""
Sample = Callable[..., Tensor]
"""`sample`, or what stands for it: engine.finished."""
BLOCK = 8192  # samples: lengths are told apart by so many where memory is counted


def sample(
    model: Model,
    grid: StemGrid,
    preset: Preset,
    noise: Noise,
    on_step: Callable[[], None],
    *,
    draft: Tensor | None = None,
    style: Style | None = None,
) -> Tensor:
    """Sources of `grid`, (batch, sources, samples), at the model's rate and level. on_step: called preset.calls times.

    draft: of that shape, what wanted cells start from beside noise: draft + draft_sigma z where the preset has one, else sigma_max
    (k z + (1 - k) draft / sigma_data) with k = preset.fresh (Levy et al. 2023, section 3; the unit of the draft is ours).
    ResourceError when memory does not do for one item.
    """
    batch, left = grid.shape[0], preset.calls
    kind = -(-grid.shape[-1] // BLOCK), preset.sampler, preset.likelihood, preset.known, preset.towards, style is None
    at_once = room(model.denoiser, kind, model.device, batch)

    def step() -> None:
        nonlocal left
        left -= 1
        on_step()

    def parts(first: int, on_step: Callable[[], None]) -> Tensor:
        return torch.cat([
            sample(
                model, grid.items(items), preset, Noise(noise.seed, noise.starts[items]), on_step,
                draft=None if draft is None else draft[items], style=style,
            )
            for items in (slice(0, first), slice(first, batch))
        ])  # fmt: skip

    if at_once < batch:
        return parts(at_once, _thinned(on_step, preset.calls, 2 * preset.calls))
    try:
        with seen(model.denoiser, kind, model.device, batch):
            return _at_once(model, grid, preset, noise, step, draft, style)
    except Exception as error:
        if not out_of_memory(error):
            raise
        if batch == 1:
            raise ResourceError(
                "There is not enough memory for this job.", "Close other programs, or use a smaller model."
            ) from error
    if torch.cuda.is_available():  # only here, where the error has let go of what was computed
        torch.cuda.empty_cache()
    return parts(batch // 2, _thinned(on_step, left, 2 * preset.calls))


def _thinned(on_step: Callable[[], None], steps: int, calls: int) -> Callable[[], None]:
    """What calls on_step `steps` times, evenly, while it is called `calls` times itself."""
    called = 0

    def step() -> None:
        nonlocal called
        called += 1
        if called * steps // calls > (called - 1) * steps // calls:
            on_step()

    return step


def _at_once(model, grid, preset, noise, on_step, draft, style) -> Tensor:
    near = draft is not None and preset.draft_sigma > 0
    sigmas = karras(preset.steps, preset.sigma_min, preset.draft_sigma if near else preset.sigma_max, preset.rho)
    denoiser = guided(model.denoiser, grid, preset, model, noise, sigmas, style)
    x = preset.temperature * noise.like(grid.known)
    if draft is not None and not near:
        x = torch.where(grid.known_mask, x, preset.fresh * x + (1 - preset.fresh) * draft / model.spec.sigma_data)
    clean = torch.where(grid.known_mask, grid.known, draft if near else 0)
    if preset.wiener and draft is None and grid.mixture is not None and isinstance(model.denoiser, LocalGaussian):
        left, holds = mixture_of(grid, preset.likelihood)
        steady = model.denoiser.stationary(left * holds, ~grid.known_mask.all(2))
        clean = clean + preset.wiener * steady * ~grid.known_mask
    x = clean + sigmas[0].to(x) * x
    options = Options(preset.churn, preset.resamples)
    made = SAMPLERS[preset.sampler](denoiser, x, sigmas, noise, options, on_step)
    if not bool(made.isfinite().all()):
        raise PresetError(
            "What was made became NaN or infinite.", "Lower --guidance, or use another embedder, model or back end."
        )
    return made


def guided(
    denoiser: Denoiser, grid: StemGrid, preset: Preset, model: Model, noise: Noise, sigmas: Tensor, style: Style | None
) -> Denoiser:
    """The denoiser under all that is known of `grid`: style, then known cells, then the mixture, which has the last word."""
    sources = model.spec.sources
    constrained = sources.index(preset.constrained) if preset.constrained in sources else 0
    embed, target = style or (None, None)
    gain = 1 + min(preset.churn / preset.steps, 2**0.5 - 1)
    steps = torch.stack([sigmas[:-1] * gain, sigmas[1:]], 1)
    options = LikelihoodOptions(
        constrained, preset.gamma, preset.guidance, model.spec.sigma_data, preset.emphasis, noise, steps, embed, target
    )
    if preset.towards:
        label = torch.tensor([float(name == preset.towards) for name in sources], device=grid.known.device)
        options = replace(options, classify=classifier_of(model.denoiser), label=label)
        denoiser = classifier(denoiser, grid, options)
    if style:
        denoiser = embedding(denoiser, grid, options)
    if grid.known_mask.any():
        known = preset.known
        if known == "heard" and not model.spec.hears_known:
            known = "replacement" if preset.task in ("accompany", "separate") else "reconstruction"
        denoiser = KNOWN[known](denoiser, grid, options)
    if grid.mixture is not None:
        denoiser = LIKELIHOODS[preset.likelihood](denoiser, grid, options)
    return denoiser
