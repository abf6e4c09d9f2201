"""Mixing variety: what an engineer might have done to each stem before the mixture was made."""

import numpy as np
from scipy.signal import fftconvolve, sosfilt

BALANCE_DB = {"bass": -21.0, "drums": -19.0, "guitar": -22.0, "piano": -22.0}
"""RMS of the sounding parts in a usual pop balance, dBFS."""
SPREAD_DB = 4.0  # standard deviation around it
SOUNDING = 0.05  # of the loudest 50 ms: quieter stretches do not count as sounding


def mix(stems: dict[str, np.ndarray], sample_rate: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Treat each stem, (2, frames), and set the balance. The mixture is the plain sum; its peak stays under -1 dBFS."""
    mixed = {}
    for source, stem in stems.items():
        if not stem.any():
            mixed[source] = stem
            continue
        stem = equalise(stem, sample_rate, rng)
        if rng.random() < 0.35:
            stem = saturate(stem, rng)
        if rng.random() < 0.35:
            stem = compress(stem, sample_rate, rng)
        if rng.random() < 0.4:
            stem = reverberate(stem, sample_rate, rng)
        stem = place(stem, rng)
        wanted = 10 ** ((BALANCE_DB[source] + np.clip(rng.normal(0, SPREAD_DB), -9, 9)) / 20)
        mixed[source] = stem * (wanted / sounding_rms(stem, sample_rate))
    peak = max(float(np.abs(sum(mixed.values())).max()), *(float(np.abs(stem).max()) for stem in mixed.values()), 1e-9)
    gain = min(10 ** (-1 / 20) / peak, 1.0) * 10 ** (-rng.uniform(0, 6) / 20)
    return {source: (stem * gain).astype(np.float32) for source, stem in mixed.items()}


def sounding_rms(stem: np.ndarray, sample_rate: int) -> float:
    """RMS over the 50 ms stretches that are not near silence."""
    size = sample_rate // 20
    blocks = stem[:, : stem.shape[1] // size * size].reshape(len(stem), -1, size)
    powers = np.square(blocks).mean(axis=(0, 2))
    return float(np.sqrt(powers[powers >= powers.max() * SOUNDING**2].mean()) + 1e-9)


def equalise(stem: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Up to three peaking bands (the audio EQ cookbook's biquad), -9 to 9 dB."""
    for _ in range(int(rng.integers(0, 4))):
        frequency = float(np.exp(rng.uniform(np.log(60), np.log(12_000))))
        gain, q = float(rng.normal(0, 4)), float(rng.uniform(0.4, 2.0))
        amplitude, w = 10 ** (np.clip(gain, -9, 9) / 40), 2 * np.pi * frequency / sample_rate
        alpha = np.sin(w) / (2 * q)
        b = [1 + alpha * amplitude, -2 * np.cos(w), 1 - alpha * amplitude]
        a = [1 + alpha / amplitude, -2 * np.cos(w), 1 - alpha / amplitude]
        stem = sosfilt(np.array([[*b, *a]]) / a[0], stem, axis=1)
    return stem


def saturate(stem: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft clipping around the stem's own peak."""
    drive = float(rng.uniform(0.5, 3.0)) / (np.abs(stem).max() + 1e-9)
    return np.tanh(stem * drive) / drive


def compress(stem: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A feed-forward compressor on 5 ms levels: what is above the threshold is brought nearer to it."""
    size = max(1, sample_rate // 200)
    padded = np.pad(stem, ((0, 0), (0, -stem.shape[1] % size)))
    level = 10 * np.log10(np.square(padded).reshape(len(stem), -1, size).mean(axis=(0, 2)) + 1e-9)
    smooth = fftconvolve(level - level.mean(), np.exp(-np.arange(20) / 6) / np.exp(-np.arange(20) / 6).sum())[
        : len(level)
    ]
    smooth = smooth + level.mean()
    threshold = np.percentile(smooth, 50) + rng.uniform(-3, 6)
    reduction = np.maximum(0, smooth - threshold) * (1 - 1 / rng.uniform(2, 6))
    gain = 10 ** (-np.interp(np.arange(stem.shape[1]), (np.arange(len(smooth)) + 0.5) * size, reduction) / 20)
    return stem * gain


def reverberate(stem: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A room of decaying stereo noise, up to a quarter of what is heard."""
    length = float(rng.uniform(0.15, 1.2))
    time = np.arange(int(length * sample_rate)) / sample_rate
    room = rng.standard_normal((2, len(time))) * np.exp(-6.9 * time / length)
    room *= float(rng.uniform(0.05, 0.35)) / np.linalg.norm(room, axis=1, keepdims=True)
    return stem + fftconvolve(stem, room, axes=1)[:, : stem.shape[1]]


def place(stem: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Width from mono to twice, then a constant-power pan."""
    middle, side = stem.mean(0), (stem[0] - stem[1]) / 2 * rng.uniform(0, 1.5)
    angle = np.pi / 4 * (1 + np.clip(rng.normal(0, 0.3), -0.8, 0.8))
    return np.sqrt(2) * np.stack([(middle + side) * np.cos(angle), (middle - side) * np.sin(angle)])
