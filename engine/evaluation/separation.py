"""`evaluate`: separate every track of a folder and measure SI-SDR improvement window by window."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.tracks import Tracks
from engine.evaluation.metrics import half_width, is_silent, jackknife, si_sdr_improvement, windows
from engine.models import Model
from engine.pipeline import separate
from engine.presets import Preset


@dataclass
class Report:
    """One row a window: (track, source, improvement in dB, whether the target was silent in it)."""

    sources: tuple[str, ...]
    settings: dict[str, Any]
    calls: int
    rows: list[tuple[str, str, float, bool]] = field(default_factory=list)
    audio_seconds: float = 0.0
    seconds: float = 0.0

    def improvement(self, source: str, with_silent: bool) -> float:
        """Mean over all windows of all tracks, in dB; NaN when there is none."""
        values = [value for _, name, value, silent in self.rows if name == source and (with_silent or not silent)]
        return float(np.mean(values)) if values else math.nan

    def mean(self, with_silent: bool) -> float:
        """Mean of the sources, "All" in the paper."""
        return float(np.mean([self.improvement(source, with_silent) for source in self.sources]))

    def interval(self, source: str | None = None) -> float:
        """Half width of the 95 % interval of one source's improvement or of the mean, silent targets left out. Tracks are
        independent, the windows of one are not: so it is by what leaving out each track does to that very number."""
        sources = self.sources if source is None else (source,)
        counted = [row for row in self.rows if row[1] in sources and not row[3]]
        tracks = list(dict.fromkeys(row[0] for row in counted))
        sums, counts = np.zeros((2, len(tracks), len(sources)))
        places = {track: place for place, track in enumerate(tracks)}
        for track, name, value, _ in counted:
            sums[places[track], sources.index(name)] += value
            counts[places[track], sources.index(name)] += 1
        with np.errstate(invalid="ignore"):  # without its only track there is no number, and no interval
            return jackknife(((sums.sum(0) - sums) / (counts.sum(0) - counts)).mean(1))

    def track_means(self) -> dict[str, float]:
        """Mean improvement of each track over all its windows and sources, silent targets left out."""
        tracks: dict[str, list[float]] = {}
        for track, _, value, silent in self.rows:
            if not silent:
                tracks.setdefault(track, []).append(value)
        return {track: float(np.mean(values)) for track, values in tracks.items()}

    def over(self, other: "Report") -> tuple[float, float]:
        """How far this is ahead of `other` on the same tracks, in dB: mean over tracks and half width of its 95 % interval. Songs
        differ far more than two ways to separate one of them, so it is the difference on each that is averaged."""
        mine, theirs = self.track_means(), other.track_means()
        ahead = [value - theirs[track] for track, value in mine.items() if track in theirs]
        return (float(np.mean(ahead)) if ahead else math.nan), half_width(ahead)

    @property
    def real_time_factor(self) -> float:
        """Seconds of work a second of audio."""
        return self.seconds / max(self.audio_seconds, 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """Everything a table or a card needs; "as_published" keeps windows whose target is silent, as the authors did."""
        columns = {
            name: {source: round(self.improvement(source, flag), 2) for source in self.sources}
            | {"all": round(self.mean(flag), 2)}
            for name, flag in (("silent_left_out", False), ("as_published", True))
        }
        return {
            "si_sdr_improvement_db": columns,
            "interval_95_db": {name: round(self.interval(name), 2) for name in self.sources}
            | {"all": round(self.interval(), 2)},
            "tracks": len({row[0] for row in self.rows}),
            "windows": len(self.rows),
            "network_calls": self.calls,
            "real_time_factor": round(self.real_time_factor, 4),
            "settings": self.settings,
        }


def evaluate(
    model: Model,
    folder: Path,
    preset: Preset,
    *,
    limit: int | None = None,
    seconds: float | None = None,
    on_track: Callable[[int, int], None] | None = None,
) -> Report:
    """Separate the mono mixtures of `folder` (Slakh's layout) and measure them at the tracks' own rate.

    A window counts when at least two sources sound in it (the authors' rule); windows whose target is silent are marked, for
    they measure only how quiet the estimate is. Where the authors separate chunks of 262144 samples that do not overlap, and
    leave out what remains of a track after the last, here chunks overlap as in any job and all of a track is measured.
    limit: at most so many tracks; seconds: only the beginning of each. on_track(done, of).
    """
    tracks = Tracks(folder)
    names = tracks.even(limit)
    report = Report(model.spec.sources, preset.as_dict(), preset.calls)
    for index, name in enumerate(names):
        rate = tracks.sample_rate(name)
        frames = tracks.frames(name) if seconds is None else min(tracks.frames(name), round(seconds * rate))
        stems = tracks.read(name, 0, frames, model.spec.sources).mean(1)
        mixture = stems.sum(0)
        started = time.perf_counter()
        estimates = separate(model, mixture[None], rate, preset)
        report.seconds += time.perf_counter() - started
        report.audio_seconds += len(mixture) / rate
        for window in windows(len(mixture), rate):
            silent = [is_silent(stem[window], rate) for stem in stems]
            if silent.count(False) < 2:
                continue
            for source, stem, quiet in zip(model.spec.sources, stems, silent, strict=True):
                value = si_sdr_improvement(estimates[source][0, window], stem[window], mixture[window])
                report.rows.append((name, source, value, quiet))
        if on_track:
            on_track(index + 1, len(names))
    return report
