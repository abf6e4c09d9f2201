"""How fast the main job runs, from samples to samples."""

import statistics
from functools import partial
from typing import Any

import numpy as np

from engine.bench.rounds import demo_stems, turns
from engine.models import load_model
from engine.pipeline import separate
from engine.presets import load_preset

STEPS = (1, 2, 4, 8)


def bench_separate(rounds: int = 3) -> list[dict[str, Any]]:
    """Real-time factor of the default preset on the demo song (44.1 kHz stereo), at several numbers of steps."""
    presets = {steps: load_preset(steps=steps) for steps in STEPS}
    model = load_model(presets[1].model, presets[1].device, presets[1].backend)
    stems, rate = demo_stems()
    mixture = np.stack(list(stems.values())).sum(0)
    separate(model, mixture[:, : 2 * rate], rate, presets[1])  # the first call pays for what is only paid once
    times = turns({steps: partial(separate, model, mixture, rate, p) for steps, p in presets.items()}, rounds)
    factors = {steps: statistics.median(seconds) * rate / mixture.shape[1] for steps, seconds in times.items()}
    return [
        {
            "preset": preset.name,
            "backend": model.backend,
            "steps": steps,
            "calls": preset.calls,
            "real_time_factor": factors[steps],
            "ratio": factors[steps] / factors[1],
        }
        for steps, preset in presets.items()
    ]
