"""Generation as MSDM measures it, by sub-FAD: how far mixtures whose stems were partly or all made lie from true ones.

Every subset of the sources is made to go with the others, which are given, and all of them out of nothing. The distance is
Frechet's between embeddings of a second each, by one of EMBEDDERS: "mel" comes with stemweave, hears timbre and nothing else, and
is not what papers use (VGGish, CLAP). So a distance compares with those beside it, of the same songs and embedder, not with theirs.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.data.tracks import Tracks
from engine.embedders import EMBEDDERS, Embed
from engine.errors import DataError
from engine.evaluation.agreement import QUIET
from engine.evaluation.frechet import frechet_of
from engine.evaluation.metrics import jackknife
from engine.filling import perform
from engine.models import Model
from engine.pipeline import OnProgress
from engine.presets import Preset
from engine.request import Request

WINDOW, HOP = 1.0, 0.5  # seconds that are embedded, and from one to the next


@dataclass(frozen=True)
class GenerationRow:
    """sources: what was made, all others being given. made, other, silence: squared Frechet distance from the true mixtures to
    those with what the model made, with stems of other songs in its place (each source of another one), with nothing there.
    ahead: other - made, with the half width of its 95 % interval over songs."""

    sources: tuple[str, ...]
    made: float
    other: float
    silence: float
    ahead: float
    interval: float
    songs: int


def evaluate_generation(
    model: Model,
    folder: Path,
    accompany: Preset,
    generate: Preset,
    *,
    embedder: str = "mel",
    limit: int = 10,
    seconds: float = 6.0,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[GenerationRow]:
    """The first `seconds` (two or more), mono, of at most `limit` songs that sound there; each with a seed of its own.

    accompany, generate: presets of these tasks. A row a subset, small ones first, the whole last. on_progress gets the share that
    is done. DataError unless there are two songs and all are of one sample rate; Cancelled.
    """
    songs, rate = _read(Tracks(folder), limit, seconds, model.spec.sources)
    embed = partial(_embed, EMBEDDERS[embedder](rate), rate)
    truth = [embed(stems.sum(0)) for stems in songs]
    every = range(len(model.spec.sources))
    asked = [rows for size in every for rows in combinations(every, size + 1)]
    found = []
    for place, rows in enumerate(asked):
        preset = generate if len(rows) == len(every) else accompany
        clouds: dict[str, list[Tensor]] = {"made": [], "other": [], "silence": []}
        for index, stems in enumerate(songs):
            given = np.delete(stems, rows, 0).sum(0)
            share = _part(on_progress, place * len(songs) + index, len(asked) * len(songs))
            clouds["made"].append(embed(_make(model, stems, rate, rows, preset, index, share, cancelled)))
            clouds["other"].append(embed(given + _others(songs, index, rows)))
            clouds["silence"].append(embed(given))
        found.append(_row(tuple(model.spec.sources[row] for row in rows), truth, **clouds))
    return found


def _read(tracks: Tracks, limit: int, seconds: float, sources: tuple[str, ...]) -> tuple[list[np.ndarray], int]:
    """Songs that sound, (sources, frames) each, and their sample rate."""
    names = tracks.even(limit)
    rates = {tracks.sample_rate(name) for name in names}
    if len(rates) > 1:
        raise DataError(f"The tracks of {tracks.folder} have several sample rates: {rates}.", "Render them at one.")
    stems = [tracks.beginning(name, seconds, sources) for name in names]
    songs = [song for song in stems if np.abs(song.sum(0)).max() > QUIET]
    if len(songs) < 2:
        raise DataError(f"Fewer than two songs of {tracks.folder} sound.", "Render more songs, or raise --limit.")
    return songs, rates.pop()


def _embed(embed: Embed, rate: int, mixture: np.ndarray) -> Tensor:
    """(frames,) to (windows, features)."""
    pieces = torch.from_numpy(mixture.astype(np.float32)).unfold(0, round(WINDOW * rate), round(HOP * rate))
    with torch.no_grad():
        return embed(pieces)


def _make(model, stems: np.ndarray, rate: int, rows, preset: Preset, index: int, on_progress, cancelled) -> np.ndarray:
    """The mixture (frames,) of what is given of a song and what the model makes for it."""
    names = model.spec.sources
    given = {name: stems[row][None] for row, name in enumerate(names) if row not in rows}
    wanted = tuple(names[row] for row in rows)
    request = Request(rate, given, wanted=wanted, seconds=stems.shape[1] / rate, channels=1)
    chosen = dataclasses.replace(preset, seed=preset.seed + index)
    made = perform(model, request, chosen, on_progress=on_progress, cancelled=cancelled)
    return np.sum([made[name][0] for name in names], 0)


def _others(songs: list[np.ndarray], index: int, rows: tuple[int, ...]) -> np.ndarray:
    """The sum of these sources out of other songs, (frames,): each of another one as long as there are enough."""
    return np.sum([songs[(index + 1 + row % (len(songs) - 1)) % len(songs)][row] for row in rows], 0)


def _part(on_progress: OnProgress | None, done: int, of: int) -> OnProgress | None:
    """What reports the progress of the next of several equal parts as that of the whole."""
    return on_progress and (lambda share: on_progress((done + share) / of))


def _row(
    sources: tuple[str, ...], truth: list[Tensor], made: list[Tensor], other: list[Tensor], silence: list[Tensor]
) -> GenerationRow:
    def distance(clouds: list[Tensor], without: int | None = None) -> float:
        kept = [song for song in range(len(truth)) if song != without]
        return frechet_of(*(torch.cat([side[song] for song in kept]) for side in (truth, clouds)))

    ours, theirs, nothing = (distance(clouds) for clouds in (made, other, silence))
    leads = [distance(other, song) - distance(made, song) for song in range(len(truth))]
    return GenerationRow(sources, ours, theirs, nothing, theirs - ours, jackknife(leads), len(truth))
