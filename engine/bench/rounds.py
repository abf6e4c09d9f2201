"""What benchmarks share: rounds in which all that is measured takes turns, so that a noisy machine disturbs all rows alike; the
song they run on; and the largest matrix product, which nothing can be faster than."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from engine.audio import read_audio
from presets import DEMO

MATMUL = {"cpu": 2048, "cuda": 8192}  # rows of the square matrices whose product is the ceiling
NOT_MEASURED = "not measured"


def turns(tried: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, list[float]]:
    """Seconds of each, to its end on the device, `rounds` times, one after the other in every round."""
    times: dict[Any, list[float]] = {name: [] for name in tried}
    for _ in range(rounds):
        for name, run in tried.items():
            started = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - started)
    return times


def ratio(reference: list[float], own: list[float]) -> float:
    """How many times as fast as the reference: the median over rounds, each of which is one on the same machine's mood."""
    return statistics.median(theirs / ours for theirs, ours in zip(reference, own, strict=True))


def whole_call(run: Callable[..., torch.Tensor], given: tuple) -> Callable[[], Any]:
    """run(*given), to its end on the device."""
    return lambda: run(*given).flatten()[0].item()


def matrix_product(device: str, dtype: torch.dtype) -> Callable[[], Any]:
    """The product of two of MATMUL's matrices, to its end: the ceiling."""
    matrix = torch.randn(MATMUL[device], MATMUL[device], device=device, dtype=dtype)
    return lambda: (matrix @ matrix)[0, 0].item()


def demo_stems() -> tuple[dict[str, np.ndarray], int]:
    """True stems of the demo song by source, (channels, frames), and their sample rate."""
    audio = {path.stem: read_audio(path) for path in sorted(DEMO.glob("*.flac"))}
    return {name: stem.samples for name, stem in audio.items()}, next(iter(audio.values())).sample_rate
