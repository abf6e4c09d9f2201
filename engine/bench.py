"""Benchmarks: medians over rounds that take turns, so that a noisy machine disturbs all rows alike."""

import statistics
import time
from typing import Any

import numpy as np

from engine.audio import read_audio
from engine.models import load_model
from engine.pipeline import separate
from engine.presets import load_preset
from presets import DEMO

STEPS = (1, 2, 4, 8)


def bench_separate(rounds: int = 3) -> list[dict[str, Any]]:
    """Real-time factor of the default preset on the demo song (44.1 kHz stereo), at several numbers of steps."""
    presets = [load_preset(steps=steps) for steps in STEPS]
    model = load_model(presets[0].model)
    audio = [read_audio(DEMO / f"{source}.flac") for source in model.spec.sources]
    mixture, rate = np.stack([stem.samples for stem in audio]).sum(0), audio[0].sample_rate
    separate(model, mixture[:, : 2 * rate], rate, presets[0])  # the first call pays for what is only paid once
    times: dict[int, list[float]] = {steps: [] for steps in STEPS}
    for _ in range(rounds):
        for preset in presets:
            started = time.perf_counter()
            separate(model, mixture, rate, preset)
            times[preset.steps].append(time.perf_counter() - started)
    factors = {steps: statistics.median(seconds) * rate / mixture.shape[1] for steps, seconds in times.items()}
    return [
        {
            "preset": preset.name,
            "steps": preset.steps,
            "calls": preset.calls,
            "real_time_factor": factors[preset.steps],
            "ratio": factors[preset.steps] / factors[1],
        }
        for preset in presets
    ]
