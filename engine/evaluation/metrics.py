"""SI-SDR and its windows, as MSDM's authors compute them (their evaluate_separation; section 5.2 of the paper)."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

EPS = 1e-8
WINDOW, HOP = 4.0, 2.0  # seconds
SILENT = 1.5e-5  # L2 norm over length (not over its root) below which a stem is silent in a window
SILENT_AT = 22050  # Hz at which that is so: the authors' rate


def si_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, no mean removed; arrays of one shape, any number of dimensions."""
    p, t = estimate.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    scaled = (p @ t + EPS) / (t @ t + EPS) * t
    return float(10 * np.log10((scaled @ scaled + EPS) / (np.square(scaled - p).sum() + EPS)))


def si_sdr_improvement(estimate: np.ndarray, reference: np.ndarray, mixture: np.ndarray) -> float:
    """By how many dB the estimate is nearer to the reference than the mixture was."""
    return si_sdr(estimate, reference) - si_sdr(mixture, reference)


def windows(samples: int, sample_rate: int) -> list[slice]:
    """4 s windows every 2 s, as many as start at least a hop before the end; the last may be shorter."""
    window, hop = round(WINDOW * sample_rate), round(HOP * sample_rate)
    count = max(1, -(-(samples - hop) // hop))
    return [slice(i * hop, min(i * hop + window, samples)) for i in range(count)]


def half_width(values: Sequence[float] | np.ndarray) -> float:
    """Of the 95 % interval of the mean of independent values, by Student's t; NaN for fewer than two."""
    count = len(values)
    return float(stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(count)) if count > 1 else math.nan


def jackknife(left_out: Sequence[float] | np.ndarray) -> float:
    """The same of what is no mean, by its values without each of the independent parts (Tukey 1958)."""
    count = len(left_out)
    return float(stdtrit(count - 1, 0.975) * math.sqrt(count - 1) * np.std(left_out)) if count > 1 else math.nan


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, 0 to 1 (Wilson 1927): holds for few trials and for shares of none or all."""
    z = 1.96
    middle = (hits + z**2 / 2) / (of + z**2)
    half = z * math.sqrt(hits * (of - hits) / of + z**2 / 4) / (of + z**2)
    return middle - half, middle + half


def is_silent(stem: np.ndarray, sample_rate: int) -> bool:
    """The authors' rule for a window of a mono stem, (samples,): for 4 s under -47 dBFS RMS, at any rate, as it is at theirs."""
    return bool(np.linalg.norm(stem.astype(np.float64)) / len(stem) < SILENT * np.sqrt(SILENT_AT / sample_rate))
