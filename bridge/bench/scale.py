"""What length and batch cost: whole songs from file to files, each in a process of its own, whose memory is its own too."""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bridge.files import read_parts, write_stems
from engine.audio import resample, writing
from engine.request import MIXTURE, Request

RATE = 48_000
MINUTES = (1.0, 5.0, 20.0, 60.0)
BATCHES = (1, 2, 4, 8)


def bench_scale(
    model: str | None = None, minutes: Sequence[float] = MINUTES, batches: Sequence[int] = BATCHES
) -> Iterator[dict[str, Any]]:
    """Rows for the demo song, over and over, stereo at 48 kHz: of each length, then the shortest at each batch.

    wall, processor: seconds of either that a second of the song costs, all from reading the file to the last stem's recipe, without
    loading the model. ratio: the processor's, over the first length's. first_stem: seconds until the first stretch of stems.
    peak_mb: the largest resident memory of the whole process; nothing where the system does not tell (it is Linux that does).
    """
    first: float | None = None
    for length, batch in [*((length, None) for length in minutes), *((min(minutes), batch) for batch in batches)]:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            row = process.submit(_separate, model, length, batch).result()
        first = first or row["processor"]
        yield row | {"ratio": row["processor"] / first}


def _separate(model: str | None, minutes: float, batch: int | None) -> dict[str, Any]:
    """In the process: separate a song of so many minutes into a folder that is thrown away."""
    from engine.filling import perform_stretches
    from engine.models import load_model
    from engine.pipeline import separate
    from engine.presets import load_preset
    from engine.recipe import recipe_of

    preset = load_preset(model=model, batch=batch)
    loaded = load_model(preset.model, preset.device, preset.backend)
    with tempfile.TemporaryDirectory(prefix="stemweave-scale-") as folder:
        path = _song(Path(folder) / "mixture.wav", minutes)
        separate(
            loaded, np.full((2, 2 * loaded.spec.chunk), 0.1, np.float32), loaded.spec.sample_rate, preset
        )  # once, unpaid
        started, processor = time.perf_counter(), time.process_time()
        rate, parts = read_parts({MIXTURE: path})
        request = Request.of(rate, parts)
        recipe = recipe_of(request, {MIXTURE: path}, preset.as_dict(), loaded.card.name, loaded.card.digest())
        first: list[float] = []

        def stretches() -> Iterator[dict[str, np.ndarray]]:
            for stretch in perform_stretches(loaded, request, preset):
                first.append(time.perf_counter() - started) if not first else None
                yield stretch

        write_stems(Path(folder), stretches(), request, recipe)
        wall, processor = time.perf_counter() - started, time.process_time() - processor
    return {
        "minutes": minutes, "batch": preset.batch, "calls": preset.calls, "backend": loaded.backend, "wall": wall / (60 * minutes),
        "processor": processor / (60 * minutes), "first_stem": first[0], "peak_mb": peak_mb(),
    }  # fmt: skip


def _song(path: Path, minutes: float) -> Path:
    """The demo song, over and over."""
    from engine.bench.rounds import demo_stems

    stems, rate = demo_stems()
    verse = resample(np.stack(list(stems.values())).sum(0), rate, RATE)
    left = round(minutes * 60 * RATE)
    with writing(path, len(verse), left, RATE) as write:
        while left:
            write(verse[:, :left])
            left -= min(left, verse.shape[1])
    return path


def peak_mb() -> float | None:
    """The largest resident memory this process ever had, in 10^6 bytes. What `getrusage` says begins with the parent's."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{os.getpid()}/status").read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 / 1e6 if found else None
