"""An example to copy: an ONNX export without stemweave, by numpy and onnxruntime alone. It separates a mono WAV in one step:

    python export_alone.py default-fp32.onnx song.wav

It is for models of the network local_gaussian, whose mathematics stand in engine/networks/local_gaussian.py; all its numbers are in
the file. A song is brought to `level` first, as the model was trained at it, and should be at the model's sample rate.
"""

import json
import sys
import wave
from typing import Any

import numpy as np
import onnxruntime


def opened(path: str) -> tuple[onnxruntime.InferenceSession, dict[str, Any]]:
    """The core, and what the file says of it."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session, json.loads(session.get_modelmeta().custom_metadata_map["stemweave"])


def window(fft: int) -> np.ndarray:
    """Hann's, of energy one, so that white noise has its variance as the power of every cell."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft) / fft)
    return hann / np.sqrt((hann**2).sum())


def transform(x: np.ndarray, fft: int, hop: int) -> np.ndarray:
    """(..., samples) to complex (..., bins, frames)."""
    x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(fft // 2, fft // 2)])
    frames = np.lib.stride_tricks.sliding_window_view(x, fft, axis=-1)[..., ::hop, :]
    return np.fft.rfft(frames * window(fft)).swapaxes(-1, -2)


def inverse(cells: np.ndarray, fft: int, hop: int, samples: int) -> np.ndarray:
    """Back again: windowed frames are added up, over what the windows add up to."""
    frames = np.fft.irfft(cells.swapaxes(-1, -2), fft) * window(fft)
    x, covered = np.zeros((*cells.shape[:-2], samples + 2 * fft)), np.zeros(samples + 2 * fft)
    for index in range(frames.shape[-2]):
        here = slice(index * hop, index * hop + fft)
        x[..., here] += frames[..., index, :]
        covered[here] += window(fft) ** 2
    inside = slice(fft // 2, fft // 2 + samples)
    return x[..., inside] / covered[inside]


def denoise(
    session: onnxruntime.InferenceSession, about: dict[str, Any], x: np.ndarray, sigma: float, mixture: np.ndarray
) -> np.ndarray:
    """What the sources most likely are. x: (sources, samples), with noise of standard deviation sigma; mixture: (samples,), their
    sum without it."""
    fft, hop, floor, width = about["fft"], about["hop"], about["power_floor"], np.array(about["band_widths"])
    mean, starts = np.array(about["mean_power"])[:, :, None], np.cumsum(width) - width

    def pooled(cells: np.ndarray) -> np.ndarray:  # mean power of a bin in each band
        return np.add.reduceat(np.abs(cells) ** 2, starts, axis=-2) / width[:, None]

    def nepers(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 0.5 * np.clip(np.log(a + floor) - np.log(b + floor), -12, 12)

    noisy, given = transform(x, fft, hop), transform(mixture[None], fft, hop)
    audible = about["headroom"] * mean / (about["headroom"] * mean + sigma**2)
    level = nepers(pooled(given), mean.sum(0, keepdims=True))
    heard = [audible * nepers(pooled(noisy), mean + sigma**2), level, np.ones_like(level)]
    if about["hears_known"]:
        heard.append(np.zeros_like(heard[0]))  # one where a source is known and has no noise: nowhere
    inputs = {"x": np.concatenate(heard)[None].astype(np.float32), "noise": np.log([sigma]).astype(np.float32)}
    (y,) = session.run(["y"], inputs)
    v = mean * np.exp(about["range"] * np.tanh(y[0] / about["range"])) + floor  # power of each source in each cell
    gain = v / (v + sigma**2)
    share = gain / gain.sum(0)
    gain, share = (np.repeat(each, width, axis=-2) for each in (gain, share))
    m = gain * noisy
    return inverse(m + share * (given - m.sum(0)), fft, hop, x.shape[-1])


def main(model: str, song: str, sigma: float = 100.0) -> None:
    session, about = opened(model)
    with wave.open(song) as file:
        rate, kind = file.getframerate(), (file.getnchannels(), file.getsampwidth())
        mixture = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    if (rate, *kind) != (about["sample_rate"], 1, 2):
        sys.exit(f"{song} has to be mono, of 16 bits, at {about['sample_rate']} Hz")
    gain = about["level"] / max(np.sqrt((mixture**2).mean()), 1e-9) if about["level"] else 1.0
    noise = sigma * np.random.default_rng(0).standard_normal((len(about["sources"]), len(mixture)))
    stems = denoise(session, about, noise, sigma, gain * mixture) / gain
    for name, stem in zip(about["sources"], stems, strict=True):
        with wave.open(f"{name}.wav", "wb") as made:
            made.setparams((1, 2, rate, 0, "NONE", ""))
            made.writeframes((32767 * stem.clip(-1, 1)).astype("<i2").tobytes())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
