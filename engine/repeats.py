"""Where a song repeats: a gap may start from what sounds elsewhere in it, among the same as around the gap.

Nearest-neighbour search over lags, as in exemplar-based inpainting (for audio: Perraudin et al. 2018, "Inpainting of long audio
segments with similarity graphs"), here only to find what a sampler starts from.
"""

import numpy as np

HOP, FFT, BANDS = 512, 2048, 24  # of the spectra that are compared, per source
FLOOR = 60.0  # dB under the song's loudest cell where all is called silence
AROUND = 1.0  # seconds on each side of the gap that are compared
LONGEST = 10.0  # seconds inside the gap in which sources that are known there are compared as well
SHORTEST_LAG = 0.25  # seconds


def repeat(known: np.ndarray, mask: np.ndarray, sample_rate: int) -> np.ndarray | None:
    """known: (sources, channels, frames), mask: bool (sources, frames), with wanted cells between two times. The same shape with
    the wanted cells taken from one lag before or after, again and again where the gap is longer; None where no lag fits."""
    wanted = np.logical_not(mask.all(axis=0))
    start, stop = int(np.argmax(wanted)), len(wanted) - int(np.argmax(wanted[::-1]))
    lags = _by_likeness(known, mask, slice(start, stop), sample_rate)
    frames = known.shape[-1]
    fitting = [lag for lag in lags if (lag <= start if lag > 0 else stop - lag <= frames)]
    if not fitting:
        return None
    lag, here, out = fitting[0], np.arange(start, stop), known.copy()
    times = (here - start) // lag + 1 if lag > 0 else (stop - 1 - here) // -lag + 1
    out[..., start:stop] = np.where(mask[:, None, start:stop], out[..., start:stop], known[..., here - times * lag])
    return out


def _by_likeness(known: np.ndarray, mask: np.ndarray, gap: slice, sample_rate: int) -> list[int]:
    """Lags in samples, the one at which the song is most like itself around the gap first."""
    levels = np.stack([_levels(row.mean(0)) for row in known])
    levels = np.maximum(levels, levels.max() - FLOOR)
    columns = levels.shape[-1]
    ends = [np.minimum(np.arange(columns) * HOP + at, mask.shape[1] - 1) for at in (0, FFT - 1)]
    heard = mask[:, ends[0]] & mask[:, ends[1]]
    first, last = gap.start // HOP, min(columns, -(-gap.stop // HOP))
    around, longest = (round(seconds * sample_rate / HOP) for seconds in (AROUND, LONGEST))
    near = np.r_[max(0, first - around) : min(last, first + longest), last : min(columns, last + around)]
    total, count = (np.zeros(2 * columns) for _ in range(2))
    lag = (near[:, None] - np.arange(columns)[None]).ravel() + columns
    for row, there in zip(levels, heard, strict=True):
        apart = (row[:, near] ** 2).sum(0)[:, None] + (row**2).sum(0)[None] - 2 * row[:, near].T @ row
        both = there[near][:, None] & there[None]
        total += np.bincount(lag, (apart * both).ravel(), 2 * columns)
        count += np.bincount(lag, both.ravel(), 2 * columns)
    enough = count >= 0.5 * count[columns]
    short = round(SHORTEST_LAG * sample_rate / HOP)
    enough[max(0, columns - short) : columns + short] = False
    order = np.argsort(np.where(enough, total / np.maximum(count, 1), np.inf), kind="stable")
    return [int(index - columns) * HOP for index in order if enough[index]]


def _levels(samples: np.ndarray) -> np.ndarray:
    """dB in bands that widen with frequency, of (frames,): (bands, columns)."""
    padded = np.pad(samples, (0, max(0, FFT - len(samples))))
    cells = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP] * np.hanning(FFT).astype(np.float32)
    power = np.abs(np.fft.rfft(cells)[:, 1:]) ** 2
    edges = np.unique(np.geomspace(1, FFT // 2, BANDS).astype(int)) - 1
    return 10 * np.log10(np.add.reduceat(power, edges, axis=1).T + 1e-9)
