"""Infill and continuation measured where the audio was made, and nowhere else, beside three simpler ways."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.chunks import fade
from engine.data.tracks import Tracks
from engine.errors import DataError
from engine.evaluation.metrics import half_width
from engine.evaluation.pictures import log_mel
from engine.filling import drafted, fill
from engine.models import Model
from engine.presets import Preset
from engine.request import Request
from engine.tasks import TASKS

FLOOR = -60.0  # dB under the loudest cell of the truth: what lies lower is silence


@dataclass(frozen=True)
class GapRow:
    """method: what made the gap. mel: mean absolute difference in dB of the mix's mel spectrogram to the truth's, inside the gap.
    seam: mean step in dB of that spectrogram over the gap's edges, over the same of the truth (1: as smooth as the music).
    mel_behind, seam_behind: how much more that is than the preset's own. Each a mean over songs and the half width of its 95 %
    interval."""

    method: str
    mel: tuple[float, float]
    seam: tuple[float, float]
    mel_behind: tuple[float, float]
    seam_behind: tuple[float, float]
    songs: int


def evaluate_gaps(
    model: Model,
    folder: Path,
    preset: Preset,
    *,
    limit: int = 10,
    seconds: float = 8.0,
    gap: float = 2.0,
    on_track: Callable[[int, int], None] | None = None,
) -> list[GapRow]:
    """preset: of infill (the middle `gap` seconds of all sources are made) or continue (the last ones): the first row. Of each song
    the first `seconds`; those in which the gap is silent are left out. Then what the preset starts from, where all songs have
    that, and three anchors: the same model from noise by plain replacement at as many steps, a crossfade of the edges, silence.
    DataError without a song."""
    tracks = Tracks(folder)
    found: list[dict[str, tuple[float, float]]] = []
    names = tracks.even(limit)
    for index, name in enumerate(names):
        rate = tracks.sample_rate(name)
        frames, width = round(seconds * rate), round(gap * rate)
        truth = tracks.read(name, 0, frames, model.spec.sources).mean(1, keepdims=True).astype(np.float32)
        start = frames - width if preset.task == "continue" else (frames - width) // 2
        hole = slice(start, start + width)
        if truth.shape[-1] == frames and np.abs(truth[..., hole].sum(0)).max() >= 1e-3:
            made = _made(model, truth, rate, hole, preset)
            found.append({way: _measure(stems.sum(0), truth.sum(0), hole, rate) for way, stems in made.items()})
        if on_track:
            on_track(index + 1, len(names))
    if not found:
        raise DataError(f"No song of {folder} is {seconds:g} s long and sounds in the gap.", "Ask for fewer seconds.")
    return _rows(found)


def _rows(found: list[dict[str, tuple[float, float]]]) -> list[GapRow]:
    """found: (mel, seam) by method, of each song; the first method is what others are compared with."""
    methods = [method for method in found[0] if all(method in song for song in found)]
    values = {method: np.array([song[method] for song in found]).T for method in methods}
    rows = []
    for method, (mel, seam) in values.items():
        behind = values[method] - values[methods[0]]
        rows.append(GapRow(method, _spread(mel), _spread(seam), _spread(behind[0]), _spread(behind[1]), len(found)))
    return rows


def _spread(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), half_width(values)


def _made(model: Model, truth: np.ndarray, rate: int, hole: slice, preset: Preset) -> dict[str, np.ndarray]:
    """All sources by method: (sources, channels, frames)."""
    if preset.task == "continue":
        stems = {name: row[:, : hole.start] for name, row in zip(model.spec.sources, truth, strict=True)}
        request = Request(rate, stems, seconds=(hole.stop - hole.start) / rate)
    else:
        stems = dict(zip(model.spec.sources, truth, strict=True))
        request = Request(rate, stems, start=hole.start / rate, stop=hole.stop / rate)
    grid = drafted(TASKS[preset.task](request, model.spec))
    plain = dataclasses.replace(preset, known="replacement", resamples=1, steps=preset.steps * preset.resamples)

    def by(preset: Preset, draft: np.ndarray | None) -> np.ndarray:
        made = fill(model, dataclasses.replace(grid, draft=draft), preset)
        return np.stack([made[name] for name in model.spec.sources])

    return {
        preset.name: by(preset, grid.draft),
        **({} if grid.draft is None else {"its start alone": grid.draft}),
        "noised replacement": by(plain, None),
        "crossfade of the edges": _crossfaded(truth, hole),
        "silence": _silent(truth, hole),
    }


def _crossfaded(truth: np.ndarray, hole: slice) -> np.ndarray:
    """What is before the gap, played again into it and faded out, over what is after, faded in; at a song's end only the first."""
    width, out = hole.stop - hole.start, truth.copy()
    rise = np.sqrt(fade(width))
    before = truth[..., max(0, hole.start - width) : hole.start]
    after = truth[..., hole.stop : hole.stop + width]
    out[..., hole] = 0
    out[..., hole.stop - before.shape[-1] : hole.stop] += before * rise[::-1][: before.shape[-1]]
    if after.shape[-1] == width:
        out[..., hole] += after * rise
    return out


def _silent(truth: np.ndarray, hole: slice) -> np.ndarray:
    out = truth.copy()
    out[..., hole] = 0
    return out


def _measure(made: np.ndarray, truth: np.ndarray, hole: slice, rate: int) -> tuple[float, float]:
    """(mel, seam) of (channels, frames)."""
    levels = [log_mel(x, rate, relative=False) for x in (made, truth)]
    ours, theirs = (np.maximum(level, levels[1].max() + FLOOR) for level in levels)
    columns = ours.shape[1] / truth.shape[1]
    first, last = round(hole.start * columns), round(hole.stop * columns)
    mel = np.abs(ours - theirs)[:, first:last].mean()
    return float(mel), _step(ours, first, last) / max(_step(theirs, first, last), 1e-3)


def _step(levels: np.ndarray, first: int, last: int) -> float:
    """Mean over both edges (the end of the song is none) of how far the columns on each side are apart, in dB."""
    edges = [edge for edge in (first, last) if 2 <= edge <= levels.shape[1] - 2]
    return float(np.mean([np.abs(levels[:, e : e + 2].mean(1) - levels[:, e - 2 : e].mean(1)).mean() for e in edges]))
