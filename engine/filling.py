"""Fills the wanted cells of a song's grid, of any length and rate: stretch after stretch, each knowing what was made before it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine import tasks
from engine.audio import Song, resample, resampled_frames
from engine.chunks import cover
from engine.diffusion.noise import Noise
from engine.embedders import EMBEDDERS
from engine.errors import AudioError, PresetError
from engine.models import Model
from engine.pipeline import SHORTEST, SILENCE, OnProgress, Watch, active_rms, joined, rest, separate_song
from engine.presets import Preset
from engine.prompting import told
from engine.repeats import repeat
from engine.request import RESIDUAL, Request
from engine.sampling import Sample, Style, sample
from engine.stemgrid import StemGrid
from engine.tasks import TASKS, SongGrid


def perform(
    model: Model,
    request: Request,
    preset: Preset,
    *,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    sample: Sample = sample,
) -> dict[str, np.ndarray]:
    """Any task: all sources of the request's song by name, (channels, frames) at its rate; with a mixture also "residual".

    Known cells come back bit for bit as they were given. Callbacks as in `separate`, which does plain separation.
    """
    stretches = perform_stretches(model, request, preset, on_progress=on_progress, cancelled=cancelled, sample=sample)
    return joined(stretches, None if request.mixture is None else request.mixture.shape[1])


def perform_stretches(
    model: Model,
    request: Request,
    preset: Preset,
    *,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    sample: Sample = sample,
) -> Iterator[dict[str, np.ndarray]]:
    """The same in stretches, in order and without gaps: separation by the mixture alone as it goes, in memory that does not grow
    with the song, any other task at its end, in one."""
    model = told(model, request)
    tasks.check(preset, model.spec, request)
    separated = partial(separate_song, on_progress=on_progress, cancelled=cancelled, sample=sample)
    if tasks.by_mixture_alone(preset, request):
        assert request.mixture is not None
        song = request.mixture if isinstance(request.mixture, Song) else Song.of(request.mixture, request.sample_rate)
        yield from separated(model, song, preset)
        return
    grid = TASKS[preset.task](request, model.spec)
    if preset.task == "separate" and preset.likelihood == "conditional" and grid.mixture is not None:
        left = Song.of(grid.mixture - grid.known.sum(0), grid.sample_rate)
        yield from _beside_known(grid, model.spec.sources, separated(model, left, preset))
        return
    yield fill(model, grid, preset, on_progress=on_progress, cancelled=cancelled, sample=sample)


def _beside_known(
    grid: SongGrid, sources: Sequence[str], stretches: Iterator[dict[str, np.ndarray]]
) -> Iterator[dict[str, np.ndarray]]:
    """What a network that hears the mixture makes of what known stems leave of it, a song in which those sources rest, with them
    put back."""
    assert grid.mixture is not None
    stop = 0
    for stretch in stretches:
        start, stop = stop, stop + stretch[RESIDUAL].shape[1]
        made = np.stack([stretch[name] for name in sources])
        stems = np.where(grid.mask[:, None, start:stop], grid.known[..., start:stop], made)
        yield dict(zip(sources, stems, strict=True)) | {RESIDUAL: rest(grid.mixture[:, start:stop], stems)}


def fill(
    model: Model,
    grid: SongGrid,
    preset: Preset,
    *,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    sample: Sample = sample,
) -> dict[str, np.ndarray]:
    """The grid with its wanted cells made: {source: (channels, frames)}, and "residual" where there is a mixture."""
    spec, watch = model.spec, Watch(on_progress, cancelled)
    grid = drafted(grid, watch.ask)
    gain = np.float32(gain_of(grid, model))
    song = _at_model_rate(grid, spec.sample_rate, gain)
    style = _style(grid, preset, model)
    pieces = cover(np.logical_not(song.mask.all(axis=0)), spec.chunk, spec.chunk // 3)
    watch.expect(len(pieces) * preset.calls)
    known, mask = song.known, song.mask.copy()
    for start, stop, keep in pieces:
        made = _piece(model, song, known, mask, slice(start, stop), preset, style, watch, sample)
        new = ~mask[:, start:keep]
        known[..., start:keep] = np.where(new[:, None], made[..., : keep - start], known[..., start:keep])
        mask[:, start:keep] = True
    stems = _at_song_rate(known, song.sample_rate, grid, gain)
    found = dict(zip(spec.sources, stems, strict=True))
    return found if grid.mixture is None else found | {RESIDUAL: rest(grid.mixture, stems)}


def drafted(grid: SongGrid, on_column: Callable[[], None] = lambda: None) -> SongGrid:
    """The grid with its draft, found where the song repeats if it `repeats`, which may take seconds; on_column as in `repeat`."""
    if not grid.repeats:
        return grid
    return replace(grid, draft=repeat(grid.known, grid.mask, grid.sample_rate, on_column), repeats=False)


def gain_of(grid: SongGrid, model: Model) -> float:
    """What brings the song to the level the model was trained at: from its mixture, else from the stems that are known or were
    there, of which each is taken to be one of several equal ones; 1 where nothing sounds. AudioError when there is a mixture and
    it is silent."""
    heard, share = grid.mixture, 1.0
    if heard is None:
        rows = grid.known if grid.draft is None else np.where(grid.mask[:, None], grid.known, grid.draft)
        sounding = rows.any((1, 2))
        if not sounding.any():
            return 1.0
        heard, share = rows.sum(0), float(np.sqrt(sounding.mean()))
    level = active_rms(Song.of(heard, grid.sample_rate))
    if level < SILENCE:
        raise AudioError("The song is silent: there is nothing to go by.", "Check what was exported.")
    return model.spec.gain(level / share)


def _at_model_rate(grid: SongGrid, rate: int, gain: np.float32) -> SongGrid:
    """The same at the model's rate and level. A cell is known there when all the samples it comes from are."""
    if grid.sample_rate == rate:
        mask = grid.mask
    else:
        frames = resampled_frames(grid.mask.shape[1], grid.sample_rate, rate)
        place = np.arange(frames) * grid.sample_rate / rate
        last = grid.mask.shape[1] - 1
        below, above = (np.clip(f(place).astype(int), 0, last) for f in (np.floor, np.ceil))
        mask = grid.mask[:, below] & grid.mask[:, above]

    def move(rows: np.ndarray | None) -> np.ndarray | None:
        if rows is None:
            return None
        moved = np.stack([resample(row, grid.sample_rate, rate) for row in rows])
        moved *= gain  # in place: of a quarter of an hour each copy is a gigabyte
        return moved

    mixture = None if grid.mixture is None else resample(grid.mixture, grid.sample_rate, rate) * gain
    known = move(grid.known)
    assert known is not None
    return SongGrid(rate, known, mask, mixture, move(grid.draft), like=grid.like)


def _at_song_rate(stems: np.ndarray, rate: int, grid: SongGrid, gain: np.float32) -> np.ndarray:
    """(sources, channels, frames) at the song's rate and level, the known cells exactly as they were given."""
    frames = grid.known.shape[-1]
    back = np.stack([resample(stem / gain, rate, grid.sample_rate) for stem in stems])
    back = np.pad(back[..., :frames], ((0, 0), (0, 0), (0, max(0, frames - back.shape[-1]))))
    return np.where(grid.mask[:, None], grid.known, back).astype(np.float32)


def _style(grid: SongGrid, preset: Preset, model: Model) -> Style | None:
    """The preset's embedder and what it says of the clip. PresetError when it says NaN."""
    if grid.like is None:
        if preset.task == "restyle" and not preset.towards:
            raise PresetError(
                "There is nothing to sound like.", "Give a clip with --like, or name a source with --towards."
            )
        return None
    rate = model.spec.sample_rate
    embed = EMBEDDERS[preset.embedder](rate)
    clip = torch.from_numpy(resample(grid.like, grid.sample_rate, rate).mean(0, keepdims=True, dtype=np.float32))
    target = embed(clip.to(model.device)).detach()
    if not bool(torch.isfinite(target).all()):
        raise PresetError(f"The embedder '{preset.embedder}' gives NaN for this clip.", "Try another clip or embedder.")
    return embed, target


def _piece(
    model: Model,
    song: SongGrid,
    known: np.ndarray,
    mask: np.ndarray,
    where: slice,
    preset: Preset,
    style: Style | None,
    watch: Watch,
    sample: Sample,
) -> np.ndarray:
    """One stretch of the grid through the sampler: (sources, channels, samples); one channel where all are alike."""
    frames = where.stop - where.start
    multiple = model.spec.length_multiple
    padded = max(SHORTEST, frames) + -max(SHORTEST, frames) % multiple
    given = [rows for rows in (known, song.mixture, song.draft) if rows is not None]
    alike = all((rows[..., where] == rows[..., :1, where]).all() for rows in given)
    channels = 1 if alike else known.shape[1]

    def tensor(rows: np.ndarray, fill: float = 0) -> Tensor:
        rows = rows[..., :channels, where]
        rows = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, padded - frames)], constant_values=fill)
        return torch.from_numpy(np.ascontiguousarray(rows)).to(model.device)

    cells = tensor(mask[:, None], True).transpose(0, 1)  # after the song's end silence is known
    grid = StemGrid(
        tensor(known).transpose(0, 1).contiguous(),
        cells.expand(channels, -1, -1),
        None if song.mixture is None else tensor(song.mixture),
    )
    draft = None if song.draft is None else tensor(song.draft).transpose(0, 1)
    noise = Noise(preset.seed, [where.start] * channels)
    with torch.no_grad():
        made = sample(model, grid, preset, noise, watch.step, draft=draft, style=style)
    return made[..., :frames].transpose(0, 1).cpu().numpy()
