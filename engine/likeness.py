"""How much alike two moments of a song sound: spectra of its sources, compared column by column where they are known."""

import numpy as np

HOP, FFT, BANDS = 512, 2048, 24  # of the spectra, per source
FLOOR = 60.0  # dB under the song's loudest cell where all is called silence
BLOCK = 1024  # columns that are computed together


class Likeness:
    """Of known: (sources, channels, frames), mask: bool (sources, frames). Distances are mean squares over bands, in dB^2.

    levels: dB, (sources, bands, columns). heard: bool (sources, columns), whether all that a column listens to is known; column c
    listens to samples c * HOP to c * HOP + FFT.
    """

    def __init__(self, known: np.ndarray, mask: np.ndarray):
        levels = np.stack([_levels(row.mean(0)) for row in known])
        self.levels = np.maximum(levels, levels.max() - FLOOR)
        self.columns = levels.shape[-1]
        unknown = np.pad(np.cumsum(~mask, axis=1, dtype=np.int32), ((0, 0), (1, 0)))
        first = np.arange(self.columns) * HOP
        self.heard = unknown[:, first] == unknown[:, np.minimum(first + FFT, mask.shape[1])]

    def by_lag(self, near: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Mean distance of the columns `near` from those a lag before them, for lags from -columns to columns - 1; inf where less
        than half of what is heard of them, by weight, has anything to compare with."""
        columns = self.columns
        total, count = np.zeros((2, 2 * columns))
        for row, heard in zip(self.levels, self.heard, strict=True):
            those, power = np.arange(columns), (row**2).mean(0)
            for here, weight in zip(near[heard[near]], weights[heard[near]], strict=True):
                mean = power[here] + power - 2 * row[:, here] @ row / len(row)
                total[here - those + columns] += weight * heard * mean
                count[here - those + columns] += weight * heard
        enough = (count > 0) & (count >= 0.5 * count[columns])
        return np.where(enough, total / np.maximum(count, 1e-12), np.inf)

    def between(self, these: np.ndarray, those: np.ndarray) -> np.ndarray:
        """Mean distance of stretches, (n, width) and (m, width) columns: (n, m); zero where they have nothing to compare."""
        (a, heard_a), (b, heard_b) = self._cells(these), self._cells(those)
        both = heard_a @ heard_b.T
        bands = self.levels.shape[1]
        a, b = (np.repeat(heard, bands, -1) * cells for heard, cells in ((heard_a, a), (heard_b, b)))
        squares_a, squares_b = (
            (cells**2).reshape(*heard.shape, bands).sum(-1) for cells, heard in ((a, heard_a), (b, heard_b))
        )
        total = squares_a @ heard_b.T + heard_a @ squares_b.T - 2 * a @ b.T
        return np.maximum(total, 0) / np.maximum(both * bands, 1)

    def all_heard(self, at: np.ndarray, sources: np.ndarray) -> np.ndarray:
        """bool, as `at`, columns: whether those are in the song and all of `sources`, bool (sources,), are heard in them."""
        inside = (at >= 0) & (at < self.columns)
        return inside & self.heard[sources][:, at * inside].all(0)

    def _cells(self, stretches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Levels, (n, width * sources * bands), and where they are heard, (n, width * sources): 1 or 0."""
        inside = (stretches >= 0) & (stretches < self.columns)
        at = stretches * inside
        levels = np.moveaxis(self.levels[..., at], (0, 1), (-2, -1))
        heard = np.moveaxis(self.heard[:, at] & inside, 0, -1)
        return levels.reshape(len(at), -1), heard.reshape(len(at), -1).astype(np.float32)


def _levels(samples: np.ndarray) -> np.ndarray:
    """dB in bands that widen with frequency, of (frames,): (bands, columns)."""
    padded = np.pad(samples, (0, max(0, FFT - len(samples))))
    cells = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    window, edges = np.hanning(FFT).astype(np.float32), np.unique(np.geomspace(1, FFT // 2, BANDS).astype(int)) - 1
    some = [
        np.add.reduceat(np.abs(np.fft.rfft(cells[at : at + BLOCK] * window)[:, 1:]) ** 2, edges, axis=1)
        for at in range(0, len(cells), BLOCK)
    ]
    return 10 * np.log10(np.concatenate(some).T + 1e-9)
