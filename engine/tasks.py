"""Tasks: what the user asked becomes a stem grid and a denoiser that answers to it. A new task is a new way to fill a grid."""

from collections.abc import Callable

from torch import Tensor

from engine.denoiser import Denoiser, ModelSpec
from engine.errors import PresetError
from engine.likelihoods import LIKELIHOODS, LikelihoodOptions
from engine.presets import Preset
from engine.stemgrid import StemGrid


def separate(mixture: Tensor, spec: ModelSpec) -> StemGrid:
    """mixture: (batch, samples). Nothing is known but what the sources add up to."""
    return StemGrid.to_separate(mixture, len(spec.sources))


TASKS: dict[str, Callable[[Tensor, ModelSpec], StemGrid]] = {"separate": separate}


def check(preset: Preset, spec: ModelSpec) -> None:
    """PresetError unless the model can do what the preset asks."""
    if preset.task not in TASKS:
        raise PresetError(f"There is no task called '{preset.task}'.", f"Tasks: {', '.join(TASKS)}.")
    if preset.likelihood == "conditional" and not spec.conditional:
        raise PresetError(
            "This model was not trained to hear the mixture, so the conditional likelihood cannot be used with it.",
            "Use --preset separate-dirac or --preset separate-gaussian.",
        )
    if preset.likelihood == "dirac" and preset.constrained not in spec.sources:
        raise PresetError(
            f"This model has no source called '{preset.constrained}' to constrain.",
            f"Sources: {', '.join(spec.sources)}.",
        )


def guided(denoiser: Denoiser, grid: StemGrid, preset: Preset, spec: ModelSpec) -> Denoiser:
    """The denoiser under the preset's likelihood of `grid`."""
    constrained = spec.sources.index(preset.constrained) if preset.constrained in spec.sources else 0
    return LIKELIHOODS[preset.likelihood](denoiser, grid, LikelihoodOptions(constrained, preset.gamma))
