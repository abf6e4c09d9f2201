"""Tasks: what the user asked becomes a grid of sources by time. A new task is a new way to fill a grid, about ten lines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.audio import Song, check_audio, check_format
from engine.chunks import fade
from engine.denoiser import ModelSpec
from engine.errors import AudioError, PresetError
from engine.presets import Preset
from engine.request import Request


@dataclass(frozen=True)
class SongGrid:
    """A stem grid as long as a song, at the user's sample rate.

    known: (sources, channels, frames) float32, zero where nothing is known. mask: bool (sources, frames), true where it is.
    mixture: (channels, frames), what the sources add up to, or None. draft: as known, what the wanted cells start from beside
    noise, or None. repeats: they start from where the song repeats, which is still to be found (filling.drafted).
    like: (channels, any), the clip that wanted sources shall sound like, or None.
    """

    sample_rate: int
    known: np.ndarray
    mask: np.ndarray
    mixture: np.ndarray | None = None
    draft: np.ndarray | None = None
    repeats: bool = False
    like: np.ndarray | None = None


def generate(request: Request, spec: ModelSpec) -> SongGrid:
    """Total generation (MSDM, section 4.1): nothing is known; sources that are not wanted rest."""
    frames = _frames(request.seconds, request.sample_rate, "seconds")
    check_format(request.channels, frames, request.sample_rate)
    rows = _wanted(request, spec, spec.sources)
    return _grid(request, spec, {}, frames, request.channels, rows)


def accompany(request: Request, spec: ModelSpec) -> SongGrid:
    """Partial generation (MSDM, section 4.1): the given stems are known, wanted ones are made, all others rest."""
    stems = _given(request, spec)
    rows = _wanted(request, spec, [name for name in spec.sources if name not in stems])
    return _grid(request, spec, stems, *_size(stems), rows)


def separate(request: Request, spec: ModelSpec) -> SongGrid:
    """Posterior separation (MSDM, section 4.2) of the given mixture; given stems are known parts of it, all others are made."""
    if request.mixture is None:
        raise PresetError("There is no mixture to separate.", "Give one.")
    rows = [name for name in spec.sources if name not in request.stems]
    size = (request.mixture.shape[1], request.mixture.shape[0])
    return _grid(request, spec, _given(request, spec, needed=False), *size, rows)


def infill(request: Request, spec: ModelSpec) -> SongGrid:
    """A stretch of some stems is made anew, all around it is known (Levy et al. 2023, table 2). That it starts from
    where the song repeats is ours."""
    return _from_repeat(request, _hole(request, spec))


def regenerate(request: Request, spec: ModelSpec) -> SongGrid:
    """Infill that starts from what was there (ibid.): a variation."""
    grid = _hole(request, spec)
    return replace(grid, draft=_stack(request.stems, spec, grid.known.shape))


def continue_(request: Request, spec: ModelSpec) -> SongGrid:
    """The past is known, `seconds` more are made (ibid.), starting as infill does."""
    stems = _given(request, spec)
    past, channels = _size(stems)
    frames = past + _frames(request.seconds, request.sample_rate, "seconds")
    grid = _grid(request, spec, stems, frames, channels, _wanted(request, spec, list(stems)), slice(past, frames))
    return _from_repeat(request, grid)


def transition(request: Request, spec: ModelSpec) -> SongGrid:
    """Leads from one song to another over `seconds`: the end of one and the beginning of the other are crossfaded at constant
    power, and the wanted cells start from that (ibid.)."""
    first, second = _given(request, spec), _given(request, spec, request.after)
    length = _frames(request.seconds, request.sample_rate, "seconds")
    (frames, channels), (more, others) = _size(first), _size(second)
    if channels != others:
        raise AudioError("The two songs differ in channels.", "Make both mono or both stereo.")
    if length >= min(frames, more):
        raise PresetError("The transition is longer than one of the songs.", "Make it shorter with --seconds.")
    before, after = frames - length, frames
    stems = dict.fromkeys((*first, *second))
    draft, known = (np.zeros((len(spec.sources), channels, frames + more - length), np.float32) for _ in range(2))
    rise = np.sqrt(fade(length))
    for name, stem in first.items():
        known[spec.sources.index(name), :, :before] = stem[:, :before]
        draft[spec.sources.index(name), :, before:after] += stem[:, before:] * rise[::-1]
    for name, stem in second.items():
        known[spec.sources.index(name), :, after:] = stem[:, length:]
        draft[spec.sources.index(name), :, before:after] += stem[:, :length] * rise
    grid = _grid(
        request, spec, {}, known.shape[-1], channels, _wanted(request, spec, list(stems)), slice(before, after)
    )
    return replace(grid, known=known, draft=draft)


def restyle(request: Request, spec: ModelSpec) -> SongGrid:
    """Regenerate under the pull of a clip's embedding, of a class, or both (ibid., "embedding" and "classifier guidance")."""
    if request.like is not None:
        check_audio(request.like, request.sample_rate)
    return replace(regenerate(request, spec), like=request.like)


TASKS: dict[str, Callable[[Request, ModelSpec], SongGrid]] = {
    "separate": separate,
    "generate": generate,
    "accompany": accompany,
    "infill": infill,
    "regenerate": regenerate,
    "continue": continue_,
    "transition": transition,
    "restyle": restyle,
}


def by_mixture_alone(preset: Preset, request: Request) -> bool:
    """A separation beside no known stem: it goes through a song stretch by stretch and needs no grid of all of it."""
    return preset.task == "separate" and not request.stems and request.mixture is not None


def check(preset: Preset, spec: ModelSpec, request: Request | None = None) -> None:
    """PresetError unless the model can do what the preset asks, for this request where one is given."""
    mixture = preset.task == "separate" if request is None else request.mixture is not None
    if preset.task not in TASKS:
        raise PresetError(f"There is no task called '{preset.task}'.", f"Tasks: {', '.join(TASKS)}.")
    if preset.towards and preset.towards not in spec.sources:
        raise PresetError(
            f"This model has no source called '{preset.towards}' to sound like.", f"Sources: {', '.join(spec.sources)}."
        )
    if mixture and preset.likelihood == "conditional" and not spec.conditional:
        raise PresetError(
            "This model was not trained to hear the mixture, so the conditional likelihood cannot be used with it.",
            "Use the likelihood dirac or gaussian, as --preset separate-dirac and --preset separate-gaussian do.",
        )
    if mixture and preset.likelihood == "dirac" and preset.constrained not in spec.sources and not spec.text:
        raise PresetError(
            f"This model has no source called '{preset.constrained}' to constrain.",
            f"Set `constrained` in a preset to one of its sources: {', '.join(spec.sources)}.",
        )
    if request is not None:
        _known_names(request.wanted, spec)


def _given(
    request: Request, spec: ModelSpec, stems: Mapping[str, np.ndarray] | None = None, needed: bool = True
) -> dict[str, np.ndarray]:
    """The stems in the model's order, checked one by one and against each other and the mixture."""
    stems = request.stems if stems is None else stems
    if needed and not stems:
        raise PresetError(
            "No stem was given to work with.", f"Give one as NAME=FILE; names: {', '.join(spec.sources)}."
        )
    _known_names(stems, spec)
    shape = request.mixture.shape if request.mixture is not None and request.after is not stems else None
    for name, stem in stems.items():
        check_audio(stem, request.sample_rate)
        shape = shape or stem.shape
        if stem.shape != shape:
            raise AudioError(
                f"The stem '{name}' has {stem.shape[0]} channels and {stem.shape[1]} samples, others {shape[0]} and {shape[1]}.",
                "Export all from the same start, with the same length and channels.",
            )
    return {name: stems[name] for name in spec.sources if name in stems}


def _wanted(request: Request, spec: ModelSpec, by_default: list[str] | tuple[str, ...]) -> list[str]:
    """Sources to make, in the model's order."""
    wanted = request.wanted or by_default
    idle = [name for name in request.prompts if name not in {*wanted, *request.stems, *request.after}]
    if idle:
        raise PresetError(
            f"There is a prompt for {', '.join(map(repr, idle))}, but no such source is given or to be made.",
            "Name it with --want as well, or leave its prompt out.",
        )
    return [name for name in spec.sources if name in wanted]


def _known_names(names, spec: ModelSpec) -> None:
    unknown = [name for name in names if name not in spec.sources]
    if unknown:
        raise PresetError(
            f"This model has no source called {', '.join(repr(n) for n in unknown)}.",
            f"Sources: {', '.join(spec.sources)}.",
        )


def _grid(
    request: Request,
    spec: ModelSpec,
    stems: Mapping[str, np.ndarray],
    frames: int,
    channels: int,
    wanted: list[str],
    stretch: slice | None = None,
) -> SongGrid:
    """Stems known, `wanted` rows not, within `stretch` (everywhere without one); rows of neither kind rest.

    A wanted row that was given is made anew; where the stems end before the song does, every row is wanted or rests."""
    mask = np.ones((len(spec.sources), frames), dtype=bool)
    for name in wanted:
        mask[spec.sources.index(name), stretch or slice(None)] = False
    if mask.all():
        raise PresetError("There is nothing to make: every cell of the grid is known.", "Name a source with --want.")
    known = _stack(stems, spec, (len(spec.sources), channels, frames))
    known *= mask[:, None]
    mixture = request.mixture.samples() if isinstance(request.mixture, Song) else request.mixture
    if mixture is not None:
        check_audio(mixture, request.sample_rate)
        if mixture.shape != (channels, frames):
            raise AudioError("The mixture and the stems differ in length or channels.", "Export them together.")
    return SongGrid(request.sample_rate, known, mask, mixture)


def _hole(request: Request, spec: ModelSpec) -> SongGrid:
    """Given stems are known but in the request's stretch of those that are wanted."""
    stems = _given(request, spec)
    return _grid(request, spec, stems, *_size(stems), _wanted(request, spec, list(stems)), _stretch(request, stems))


def _from_repeat(request: Request, grid: SongGrid) -> SongGrid:
    """Where prompts or a mixture say what the wanted cells are, a repeat would only stand in their way."""
    return replace(grid, repeats=not request.prompts and grid.mixture is None)


def _stack(stems: Mapping[str, np.ndarray], spec: ModelSpec, shape: tuple[int, ...]) -> np.ndarray:
    """(sources, channels, frames), zero where a source has no stem or has ended."""
    rows = np.zeros(shape, dtype=np.float32)
    for name, stem in stems.items():
        rows[spec.sources.index(name), :, : stem.shape[1]] = stem
    return rows


def _size(stems: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """(frames, channels)."""
    channels, frames = next(iter(stems.values())).shape
    return frames, channels


def _frames(seconds: float, sample_rate: int, name: str) -> int:
    if not 0 < seconds <= 3600:
        raise PresetError(f"'{name}' must be more than 0 and at most 3600, not {seconds:g}.", f"Give it with --{name}.")
    return max(1, round(seconds * sample_rate))


def _stretch(request: Request, stems: Mapping[str, np.ndarray]) -> slice:
    """From start to stop in samples; PresetError unless it lies inside the song."""
    frames, _ = _size(stems)
    start, stop = request.start, request.stop or frames / request.sample_rate
    if np.isfinite([start, stop]).all():
        cells = slice(round(start * request.sample_rate), round(stop * request.sample_rate))
        if 0 <= cells.start < cells.stop <= frames:
            return cells
    raise PresetError(
        f"The stretch from {start:g} s to {stop:g} s is not inside the song, which has {frames / request.sample_rate:g} s.",
        "Set --from and --to.",
    )
