"""How far two tracks play together: the same moments, the same notes. Arrays are (frames,), mono."""

import numpy as np
import torch

from engine.embedders import chroma
from engine.torchaudio_shim import torchaudio

FLOOR, RANGE = 1e-8, 60.0  # power of a mel band that is silence; dB under the loudest cell that are heard
HOP = 512  # samples between two values of an onset curve
SMOOTH = 5  # values of an onset curve that count as one moment: 58 ms at 44.1 kHz
STRETCH = 1.0  # seconds whose notes are compared
QUIET = 1e-3  # peak below which a stretch is silent


def onsets(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Onset curve: how much louder each band of a mel spectrogram became, summed (spectral flux), one value every HOP samples."""
    mel = torchaudio.transforms.MelSpectrogram(sample_rate, n_fft=2048, hop_length=HOP, n_mels=64, f_min=30.0)
    levels = 10 * (mel(torch.from_numpy(samples.astype(np.float32))) + FLOOR).log10()
    levels = levels.clamp_min(levels.max() - RANGE)
    flux = levels.diff(dim=-1).clamp_min(0).sum(0).numpy()
    return np.convolve(flux, np.hanning(SMOOTH + 2)[1:-1], "same")


def notes(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Share of each pitch class in the energy of every second: (seconds, 12); NaN where a second is silent."""
    stretch = round(STRETCH * sample_rate)
    pieces = samples[: len(samples) // stretch * stretch].reshape(-1, stretch).astype(np.float32)
    classes = chroma(sample_rate)(torch.from_numpy(pieces)).numpy()
    classes[np.abs(pieces).max(1) < QUIET] = np.nan
    return classes


def onset_agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two onset curves, -1 to 1; 0 where one of them knows no onset."""
    return _correlation(one[None], other[None])


def note_agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Mean over the seconds in which both sound of the correlation of their pitch classes, -1 to 1; NaN where there is none."""
    both = np.isfinite(one[:, 0]) & np.isfinite(other[:, 0])
    return _correlation(one[both], other[both]) if both.any() else float("nan")


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, of each row, and their mean."""
    a, b = (rows - rows.mean(1, keepdims=True) for rows in (one, other))
    norms = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return float(np.mean((a * b).sum(1) / np.maximum(norms, 1e-12)))
