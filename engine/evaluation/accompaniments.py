"""Accompaniments: does a stem that was made play with the tracks it was made for more than another song's stem would?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.data.tracks import Tracks
from engine.errors import DataError
from engine.evaluation.agreement import QUIET, note_agreement, notes, onset_agreement, onsets
from engine.evaluation.metrics import half_width
from engine.filling import perform
from engine.models import Model
from engine.presets import Preset
from engine.request import Request

MEASURES = {"onsets": (onsets, onset_agreement), "chroma": (notes, note_agreement)}


@dataclass(frozen=True)
class AccompanimentRow:
    """Agreement of a source with the other tracks of its song, from -1 to 1, mean over songs. made: of the stem that was made for
    them; own: of the song's own stem; other: of other songs' stems of that source, the mean over all of them, which is what a
    random one can expect. gain: made - other, with the half width of its 95 % interval over songs."""

    source: str
    measure: str
    made: float
    own: float
    other: float
    gain: float
    interval: float
    songs: int


def evaluate_accompaniments(
    model: Model,
    folder: Path,
    preset: Preset,
    *,
    limit: int = 10,
    seconds: float = 6.0,
    on_track: Callable[[int, int], None] | None = None,
) -> list[AccompanimentRow]:
    """preset: of accompany. Each source of each track is made from all others, in the first `seconds`, mono.

    A song counts for a source that plays in it beside others. Pitch classes say nothing of drums: the chroma of a source is
    compared with that of the given tracks without them. A source of fewer than two songs has no row; DataError where none has one.
    """
    tracks, sources = Tracks(folder), model.spec.sources
    songs = [
        (dict(zip(sources, tracks.beginning(name, seconds, sources), strict=True)), tracks.sample_rate(name))
        for name in tracks.even(limit)
    ]
    made: dict[tuple[str, int], np.ndarray] = {}
    for index, (stems, rate) in enumerate(songs):
        for source in _playing(stems):
            given = {name: stem[None] for name, stem in stems.items() if name != source}
            if any(np.abs(stem).max() > QUIET for stem in given.values()):
                made[source, index] = perform(model, Request(rate, given, wanted=(source,)), preset)[source][0]
        if on_track:
            on_track(index + 1, len(songs))
    rows = [
        _row(source, measure, songs, {song: stem for (name, song), stem in made.items() if name == source})
        for source in sources
        for measure in MEASURES
        if not (measure == "chroma" and source == "drums")
    ]
    if not any(rows):
        raise DataError("No source plays beside others in two of the songs.", "Render more songs, or raise --limit.")
    return [row for row in rows if row]


def _playing(stems: dict[str, np.ndarray]) -> list[str]:
    return [name for name, stem in stems.items() if np.abs(stem).max() > QUIET]


def _row(source: str, measure: str, songs: list, made: dict[int, np.ndarray]) -> AccompanimentRow | None:
    describe, agree = MEASURES[measure]
    found = []
    own = {index: describe(songs[index][0][source], songs[index][1]) for index in made}
    for index, stem in made.items():
        stems, rate = songs[index]
        rest = [s for name, s in stems.items() if name != source and not (measure == "chroma" and name == "drums")]
        context = describe(np.sum(rest, 0), rate)
        others = [agree(curve, context) for song, curve in own.items() if song != index and songs[song][1] == rate]
        score = np.nan_to_num(agree(describe(stem, rate), context))  # what is silent agrees in nothing
        found.append((score, agree(own[index], context), _mean(others)))
    found = [row for row in found if np.isfinite(row).all()]
    if len(found) < 2:
        return None
    scores = np.transpose(found)
    gain = scores[0] - scores[2]
    ours, true, other = (float(values.mean()) for values in scores)
    return AccompanimentRow(source, measure, ours, true, other, float(gain.mean()), half_width(gain), len(found))


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
