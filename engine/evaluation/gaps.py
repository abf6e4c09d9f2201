"""Infill and continuation measured where the audio was made, and nowhere else, beside three simpler ways."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.chunks import fade
from engine.data.tracks import Tracks
from engine.evaluation.pictures import log_mel
from engine.filling import perform
from engine.models import Model
from engine.presets import Preset
from engine.request import Request

FLOOR = -60.0  # dB under the loudest cell of the truth: what lies lower is silence


@dataclass(frozen=True)
class GapRow:
    """method: what made the gap. mel: mean absolute difference in dB of the mix's mel spectrogram to the truth's, inside the gap.
    seam: mean step in dB of that spectrogram over the gap's edges, over the same of the truth (1: as smooth as the music)."""

    method: str
    mel: float
    seam: float


def evaluate_gaps(
    model: Model,
    folder: Path,
    preset: Preset,
    *,
    limit: int = 10,
    seconds: float = 6.0,
    gap: float = 2.0,
    on_track: Callable[[int, int], None] | None = None,
) -> list[GapRow]:
    """preset: of infill (the middle `gap` seconds of all sources are made) or continue (the last ones). Means over tracks in which
    the gap is not silent. Anchors: silence, a crossfade of the edges, and the same preset by plain replacement."""
    tracks = Tracks(folder)
    found: dict[str, list[tuple[float, float]]] = {}
    names = tracks.names[:limit]
    for index, name in enumerate(names):
        rate = tracks.sample_rate(name)
        frames = round(seconds * rate)
        truth = tracks.read(name, 0, frames, model.spec.sources).mean(1, keepdims=True).astype(np.float32)
        width = round(gap * rate)
        start = frames - width if preset.task == "continue" else (frames - width) // 2
        hole = slice(start, start + width)
        if truth.shape[-1] < frames or np.abs(truth[..., hole].sum(0)).max() < 1e-3:
            continue
        plain = dataclasses.replace(preset, known="replacement", resamples=1)
        made = {
            preset.known: _made(model, truth, rate, hole, preset),
            "replacement": _made(model, truth, rate, hole, plain),
            "crossfade of the edges": _crossfaded(truth, hole),
            "silence": _silent(truth, hole),
        }
        for method, stems in made.items():
            found.setdefault(method, []).append(_measure(stems.sum(0), truth.sum(0), hole, rate))
        if on_track:
            on_track(index + 1, len(names))
    return [GapRow(method, *(float(v) for v in np.mean(values, 0))) for method, values in found.items()]


def _made(model: Model, truth: np.ndarray, rate: int, hole: slice, preset: Preset) -> np.ndarray:
    if preset.task == "continue":
        stems = {name: row[:, : hole.start] for name, row in zip(model.spec.sources, truth, strict=True)}
        request = Request(rate, stems, seconds=(hole.stop - hole.start) / rate)
    else:
        stems = dict(zip(model.spec.sources, truth, strict=True))
        request = Request(rate, stems, start=hole.start / rate, stop=hole.stop / rate)
    made = perform(model, request, preset)
    return np.stack([made[name] for name in model.spec.sources])


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
    scale = np.abs(truth).max()
    ours, theirs = (np.maximum(log_mel(x / scale, rate, relative=False), FLOOR) for x in (made, truth))
    columns = ours.shape[1] / truth.shape[1]
    first, last = round(hole.start * columns), round(hole.stop * columns)
    mel = np.abs(ours - theirs)[:, first:last].mean()
    return float(mel), _step(ours, first, last) / max(_step(theirs, first, last), 1e-3)


def _step(levels: np.ndarray, first: int, last: int) -> float:
    """Mean over both edges (the end of the song is none) of how far the columns on each side are apart, in dB."""
    edges = [edge for edge in (first, last) if 2 <= edge <= levels.shape[1] - 2]
    return float(np.mean([np.abs(levels[:, e : e + 2].mean(1) - levels[:, e - 2 : e].mean(1)).mean() for e in edges]))
