"""A figure a task: what is given on the left, what comes back on the right, a row a source."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.evaluation.pictures import log_mel
from engine.filling import perform
from engine.models import Model
from engine.presets import load_preset
from engine.request import Request
from engine.tasks import TASKS

LENGTH = 3.0  # seconds of song in a figure
DEPTH = 70.0  # dB drawn
COLOURS = 48  # in a figure, which makes it a third as large


def examples(stems: Mapping[str, np.ndarray], sample_rate: int, length: float = LENGTH) -> dict[str, Request]:
    """One request a task out of a song's stems, (1, frames) each, of which there are four and at least twice
    `length` seconds, which is the song that is worked on."""
    frames = round(length * sample_rate)
    first, after = ({name: stem[:, start : start + frames] for name, stem in stems.items()} for start in (0, frames))
    *others, last = first
    half = {name: stem[:, : frames // 2] for name, stem in first.items()}
    mixture = np.sum(list(first.values()), axis=0)
    start, stop = length / 3, 2 * length / 3
    return {
        "separate": Request(sample_rate, mixture=mixture),
        "generate": Request(sample_rate, seconds=length, channels=1),
        "accompany": Request(sample_rate, {name: first[name] for name in others[:2]}),
        "infill": Request(sample_rate, first, start=start, stop=stop),
        "regenerate": Request(sample_rate, first, wanted=(others[-1],), start=start, stop=stop),
        "continue": Request(sample_rate, half, seconds=length / 2),
        "transition": Request(sample_rate, half, after=after, seconds=length / 4),
        "restyle": Request(sample_rate, first, like=after[last], wanted=(others[-1],), start=start, stop=stop),
    }


def draw_tasks(
    folder: Path,
    model: Model,
    stems: Mapping[str, np.ndarray],
    sample_rate: int,
    steps: int,
    on_task: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """TASK.png for every task by its preset, at `steps` steps at most and without repeats: quicker than it is good."""
    paths = []
    for index, (task, request) in enumerate(examples(stems, sample_rate).items()):
        preset = load_preset(task)
        preset = replace(preset, steps=min(steps, preset.steps), resamples=1)
        grid = TASKS[task](request, model.spec)
        made = perform(model, request, preset)
        given = {name: np.where(mask, row, 0) for name, row, mask in zip(made, grid.known, grid.mask, strict=False)}
        if grid.mixture is not None:
            given = {"mixture": grid.mixture}
        paths.append(
            _draw(folder / f"{task}.png", given, {name: made[name] for name in model.spec.sources}, sample_rate)
        )
        if on_task:
            on_task(index + 1, len(TASKS))
    return paths


def _draw(path: Path, given: dict[str, np.ndarray], made: dict[str, np.ndarray], sample_rate: int) -> Path:
    """Both at one scale of levels: black is DEPTH dB under the loudest cell of what was made."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    levels = [
        {name: log_mel(stem, sample_rate, relative=False) for name, stem in side.items()} for side in (given, made)
    ]
    top = max(float(picture.max()) for picture in levels[1].values())
    figure, axes = pyplot.subplots(1, 2, figsize=(3.6, 1.5), layout="constrained")
    for axis, pictures in zip(axes, levels, strict=True):
        # A line between rows; no more cells than there are pixels.
        rows = [np.pad(picture[::2], ((0, 1), (0, 0)), constant_values=top) for picture in pictures.values()]
        axis.imshow(np.vstack(rows[::-1]), origin="lower", aspect="auto", vmin=top - DEPTH, vmax=top, cmap="magma")
        places = [sum(map(len, rows[index + 1 :])) + len(rows[index]) / 2 for index in range(len(rows))]
        axis.set_yticks(places, list(pictures), fontsize=6)
        axis.tick_params(length=0)
        axis.set_xticks([])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(100)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    pyplot.close(figure)
    drawn.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path
