"""Mixing variety: what an engineer might have done to each stem before the mixture was made. Stems are (2, frames)."""

import numpy as np
from scipy.signal import lfilter, oaconvolve, sosfilt

BALANCE_DB = {"bass": -21.0, "drums": -19.0, "guitar": -22.0, "piano": -22.0}
"""RMS of the sounding stretches in a usual pop balance, dBFS."""
SPREAD_DB, FARTHEST_DB = 4.0, 8.0  # standard deviation and limit around it
SOUNDING = 0.05  # of the loudest 50 ms: quieter stretches do not count as sounding
PEAK_DB, HEADROOM_DB = -1.0, 9.0

SATURATED = {"bass": 0.3, "drums": 0.25, "guitar": 0.5, "piano": 0.15}
COMPRESSED = {"bass": 0.5, "drums": 0.5, "guitar": 0.35, "piano": 0.3}
ROOMY = {"bass": 0.1, "drums": 0.4, "guitar": 0.45, "piano": 0.45}
"""How often a stem is treated so."""


def mix(stems: dict[str, np.ndarray], rng: np.random.Generator, sample_rate: int = 44100) -> dict[str, np.ndarray]:
    """Treat each stem and set the balance; float32. The mixture is their plain sum, its peak and theirs below -1 dBFS."""
    mixed = {}
    for source, stem in stems.items():
        if not stem.any():
            mixed[source] = stem
            continue
        stem = equalise(stem, sample_rate, rng)
        if rng.random() < SATURATED[source]:
            stem = saturate(stem, rng)
        if rng.random() < COMPRESSED[source]:
            stem = compress(stem, sample_rate, rng)
        if rng.random() < ROOMY[source]:
            stem = reverberate(stem, sample_rate, rng)
        stem = place(stem, rng, 0.12 if source == "bass" else 0.35)
        offset = np.clip(rng.normal(0, SPREAD_DB), -FARTHEST_DB, FARTHEST_DB)
        mixed[source] = stem * np.float32(_gain(BALANCE_DB[source] + offset) / sounding_rms(stem, sample_rate))
    peak = max(float(np.abs(sum(mixed.values())).max()), *(float(np.abs(stem).max()) for stem in mixed.values()), 1e-9)
    gain = _gain(PEAK_DB - rng.uniform(0, HEADROOM_DB)) / peak
    return {source: stem * np.float32(gain) for source, stem in mixed.items()}


def _gain(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def sounding_rms(stem: np.ndarray, sample_rate: int) -> float:
    """RMS over the 50 ms stretches that are not near silence."""
    size = min(stem.shape[1], sample_rate // 20)
    blocks = stem[:, : stem.shape[1] // size * size].reshape(len(stem), -1, size)
    powers = np.einsum("cbs,cbs->b", blocks, blocks) / (len(stem) * size)
    return float(np.sqrt(powers[powers >= powers.max() * SOUNDING**2].mean()) + 1e-9)


def equalise(stem: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Up to three bands: bells and shelves of at most 9 dB, seldom a telephone's narrow range."""
    sections = []
    for _ in range(int(rng.integers(0, 4))):
        kind = ("bell", "bell", "low", "high")[int(rng.integers(4))]
        frequency = float(np.exp(rng.uniform(np.log(60), np.log(min(12_000, 0.4 * sample_rate)))))
        gain = float(np.clip(rng.normal(0, 4), -9, 9))
        sections.append(biquad(kind, frequency, gain, float(rng.uniform(0.4, 2.0)), sample_rate))
    if rng.random() < 0.06:
        sections.append(biquad("highpass", float(rng.uniform(80, 400)), 0, 0.7, sample_rate))
    if rng.random() < 0.08:
        sections.append(biquad("lowpass", float(rng.uniform(2000, 0.4 * sample_rate)), 0, 0.7, sample_rate))
    # Biquads at 60 Hz need more than 24 bits inside; all else here does not.
    return sosfilt(np.array(sections), stem, axis=1).astype(np.float32) if sections else stem


def biquad(kind: str, frequency: float, gain_db: float, q: float, sample_rate: int) -> np.ndarray:
    """One second-order section, (6,), after Bristow-Johnson's cookbook. kind: bell, low or high (shelf), highpass, lowpass."""
    amplitude, w = 10 ** (gain_db / 40), 2 * np.pi * frequency / sample_rate
    cosine, alpha = np.cos(w), np.sin(w) / (2 * q)
    if kind == "bell":
        b = (1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude)
        a = (1 + alpha / amplitude, -2 * cosine, 1 - alpha / amplitude)
    elif kind in ("low", "high"):
        sign = 1 if kind == "low" else -1
        up, down, root = amplitude + 1, amplitude - 1, 2 * np.sqrt(amplitude) * alpha
        b = (
            amplitude * (up - sign * down * cosine + root),
            sign * 2 * amplitude * (down - sign * up * cosine),
            amplitude * (up - sign * down * cosine - root),
        )
        a = (
            up + sign * down * cosine + root,
            -sign * 2 * (down + sign * up * cosine),
            up + sign * down * cosine - root,
        )
    else:
        edge = 1 + cosine if kind == "highpass" else 1 - cosine
        b = (edge / 2, -edge if kind == "highpass" else edge, edge / 2)
        a = (1 + alpha, -2 * cosine, 1 - alpha)
    return np.array([*b, *a]) / a[0]


def saturate(stem: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft clipping around the stem's own peak."""
    drive = float(np.exp(rng.uniform(np.log(0.5), np.log(6.0)))) / (np.abs(stem).max() + 1e-9)
    return np.tanh(stem * np.float32(drive)) / np.float32(drive)


def compress(stem: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A feed-forward compressor on 5 ms levels: what is above the threshold is brought nearer to it."""
    size = max(1, sample_rate // 200)
    padded = np.pad(stem, ((0, 0), (0, -stem.shape[1] % size))).reshape(len(stem), -1, size)
    power = np.einsum("cbs,cbs->b", padded, padded) / (len(stem) * size)
    hold = float(rng.uniform(0.5, 0.95))  # of the level, a block later
    level = 10 * np.log10(lfilter([1 - hold], [1, -hold], power) + 1e-9)
    loud = level > level.max() - 30
    threshold = np.percentile(level[loud], 40) + rng.uniform(-6, 4)
    reduction = np.maximum(0, level - threshold) * (1 - 1 / rng.uniform(2, 6))
    centres = (np.arange(len(level)) + 0.5) * size
    return stem * np.interp(np.arange(stem.shape[1]), centres, 10 ** (-reduction / 20)).astype(np.float32)


def reverberate(stem: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A room of decaying stereo noise, up to a quarter of what is heard."""
    length, before = float(rng.uniform(0.15, 1.2)), int(rng.uniform(0, 0.03) * sample_rate)
    time = np.arange(int(length * sample_rate)) / sample_rate
    room = rng.standard_normal((2, len(time))) * np.exp(-6.9 * time / length)
    room = sosfilt(
        biquad("lowpass", float(rng.uniform(2000, 0.4 * sample_rate)), 0, 0.7, sample_rate)[None], room, axis=1
    )
    room *= float(rng.uniform(0.03, 0.25)) / np.linalg.norm(room, axis=1, keepdims=True)
    wet = oaconvolve(stem, room.astype(np.float32), axes=1)[:, : stem.shape[1] - before]
    heard = stem.copy()
    heard[:, before:] += wet
    return heard


def place(stem: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
    """Width from mono to one and a half, then a constant-power pan. spread: standard deviation of the pan, 1 is one side."""
    width = rng.uniform(0, 1.5)
    angle = np.pi / 4 * (1 + np.clip(rng.normal(0, spread), -0.9, 0.9))
    matrix = np.array([[1 + width, 1 - width], [1 - width, 1 + width]]) / 2  # middle plus and minus the scaled side
    pan = np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])
    return (pan * matrix).astype(np.float32) @ stem
