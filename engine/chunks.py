"""The arithmetic of chunking and overlap-add. Pure: no audio passes through here."""

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chunk:
    """start: first sample in the song; length: samples; fade_in, fade_out: samples shared with the neighbours (0 at the ends
    of the song)."""

    start: int
    length: int
    fade_in: int
    fade_out: int

    @property
    def stop(self) -> int:
        return self.start + self.length

    def window(self) -> np.ndarray:
        """(length,) float32 weights: 1 inside, raised-cosine fades that add up to 1 with the neighbours'."""
        weights = np.ones(self.length, dtype=np.float32)
        if self.fade_in:
            weights[: self.fade_in] = fade(self.fade_in)
        if self.fade_out:
            weights[self.length - self.fade_out :] = 1 - fade(self.fade_out)
        return weights


def fade(samples: int) -> np.ndarray:
    """sin^2 from 0 to 1 over `samples`, symmetric, so that fade and 1 - fade mirror each other."""
    return (np.sin((np.arange(samples) + 0.5) * np.pi / (2 * samples)) ** 2).astype(np.float32)


def plan(samples: int, chunk: int, overlap: int) -> list[Chunk]:
    """Cover `samples` by as few chunks of at most `chunk` as share `overlap` with their neighbours, all about equally long, so
    that none is mostly padding; a song no longer than a chunk is one chunk. 0 <= overlap <= chunk / 3.
    """
    if not 0 <= overlap <= chunk // 3:
        raise ValueError(f"The overlap must be between 0 and a third of a chunk ({chunk // 3}), not {overlap}.")
    if samples <= chunk:
        return [Chunk(0, samples, 0, 0)]
    count = -(-(samples - overlap) // (chunk - overlap))
    starts = [index * (samples - overlap) // count for index in range(count + 1)]
    return [
        Chunk(
            start, following + overlap - start, overlap if start else 0, overlap if following + overlap < samples else 0
        )
        for start, following in itertools.pairwise(starts)
    ]


def cover(wanted: np.ndarray, chunk: int, context: int) -> list[tuple[int, int, int]]:
    """Stretches (start, stop, keep) of at most `chunk` samples that together make every sample of wanted: bool (samples,).

    They are made in order: what lies before `keep` is then settled and known to the next. Each begins `context` before the first
    sample it makes, or earlier where a whole gap fits in, so that the gap has as much around it on both sides; where wanted
    samples go on, the last half context of a stretch only serves to hear ahead. 0 <= context <= chunk / 3.
    """
    if not 0 <= context <= chunk // 3:
        raise ValueError(f"The context must be between 0 and a third of a chunk ({chunk // 3}), not {context}.")
    total, settled, pieces = len(wanted), 0, []
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))  # where gaps begin and end, in turn
    for begin, end in edges.reshape(-1, 2).tolist():
        while (first := max(begin, settled)) < end:
            start = max(0, min(first - max(context, (chunk - (end - first)) // 2), total - chunk))
            stop = min(total, start + chunk)
            goes_on = stop < min(total, end)
            settled = stop - context // 2 if goes_on else stop
            pieces.append((start, stop, settled))
    return pieces
