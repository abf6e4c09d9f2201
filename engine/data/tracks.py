"""Reads Slakh2100's folder layout: TrackXXXXX/{bass,drums,guitar,piano}.wav, a missing stem being silence."""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from engine.errors import DataError

KINDS = (".wav", ".flac")
ABOUT = "track.json"  # what songs of the project's own composer say of themselves


class Tracks:
    """The tracks under a folder, in order of name. DataError, with what to do, when there are none."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        found = (
            sorted(path.name for path in self.folder.glob("Track*") if path.is_dir()) if self.folder.is_dir() else []
        )
        self.names = [name for name in found if any((self.folder / name).glob("*.*"))]
        if not self.names:
            raise DataError(
                f"There are no tracks in {self.folder}.",
                "Render some with: stemweave data render FOLDER --split train, or point at Slakh2100's folder of TrackXXXXX.",
            )
        self._shapes = cache(self._read_shapes)

    def even(self, limit: int | None = None) -> list[str]:
        """Those of the first `limit` names, or of all, whose stems agree in length and rate, as MSDM's authors choose. How many
        are left out is logged. DataError where all are."""
        names = self.names[:limit]
        found = [name for name in names if len(self._shapes(name)) == 1]
        if not found:
            raise DataError(
                f"None of {len(names)} tracks of {self.folder} has stems of one length and rate.",
                "Render or copy the tracks again.",
            )
        if len(found) < len(names):
            words = "%d of %d tracks of %s are left out, for their stems differ in length or rate, or are missing"
            logging.getLogger("stemweave").warning(words, len(names) - len(found), len(names), self.folder)
        return found

    def frames(self, name: str) -> int:
        """Length of a track's stems in samples."""
        return self._shape(name)[0]

    def sample_rate(self, name: str) -> int:
        """Hz."""
        return self._shape(name)[1]

    def read(self, name: str, start: int, frames: int, sources: Sequence[str]) -> np.ndarray:
        """(sources, channels, n) float32 of samples start .. start + frames, fewer at the track's end; mono comes as two equal
        channels."""
        length = max(0, min(frames, self.frames(name) - start))
        out = np.zeros((len(sources), 2, length), dtype=np.float32)
        for row, source in zip(out, sources, strict=True):
            path = self._stem(name, source)
            if path is not None:
                samples, _ = soundfile.read(path, start=start, frames=length, dtype="float32", always_2d=True)
                row[:] = samples.T
        return out

    def beginning(self, name: str, seconds: float, sources: Sequence[str]) -> np.ndarray:
        """(sources, n) float32 of the first `seconds`, mono. DataError where the track is shorter."""
        frames = round(seconds * self.sample_rate(name))
        if self.frames(name) < frames:
            raise DataError(
                f"Track {name} is shorter than {seconds:g} s.", "Render longer ones, or ask for fewer --seconds."
            )
        return self.read(name, 0, frames, sources).mean(1)

    def _stem(self, name: str, source: str) -> Path | None:
        return next((path for kind in KINDS if (path := self.folder / name / f"{source}{kind}").exists()), None)

    def _shape(self, name: str) -> tuple[int, int]:
        shapes = self._shapes(name)
        if len(shapes) != 1:
            raise DataError(
                f"The stems of {self.folder / name} differ in length or rate, or are missing: {sorted(shapes)}.",
                "Remove the track, or render it again.",
            )
        return next(iter(shapes))

    def _read_shapes(self, name: str) -> set[tuple[int, int]]:
        """(frames, Hz) of each stem."""
        shapes = set()
        for path in sorted((self.folder / name).iterdir()):
            if path.suffix in KINDS and path.stem != "mix":
                try:
                    info = soundfile.info(path)
                except soundfile.LibsndfileError as error:
                    raise DataError(f"{path} cannot be read: {error}.", "Render or copy the track again.") from error
                shapes.add((info.frames, info.samplerate))
        return shapes
