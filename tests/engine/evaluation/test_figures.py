"""A figure a task: drawn by the command, and those of the README there, of every task and small."""

from pathlib import Path

import numpy as np
from support.models import SOURCES, write_tiny_model

from engine.evaluation.figures import LENGTH, draw_tasks, examples
from engine.models import load_model
from engine.tasks import TASKS
from presets import DEMO

RATE = 22050
ROOT = Path(__file__).parents[3]


def song() -> dict[str, np.ndarray]:
    frames = round(2 * LENGTH * RATE)
    return {
        name: 0.1 * np.random.default_rng(seed).standard_normal((1, frames)).astype(np.float32)
        for seed, name in enumerate(SOURCES)
    }


def test_every_task_has_an_example_and_a_figure_of_it_is_drawn(tmp_path):
    assert set(examples(song(), RATE)) == set(TASKS)
    seen = []
    paths = draw_tasks(
        tmp_path / "new", load_model(write_tiny_model(tmp_path / "tiny")), song(), RATE, 1, lambda *at: seen.append(at)
    )
    assert {path.stem for path in paths} == set(TASKS)
    assert seen[-1] == (len(TASKS), len(TASKS))
    for path in paths:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_readme_shows_a_figure_of_every_task_and_they_are_small():
    readme = (ROOT / "README.md").read_text()
    for task in TASKS:
        assert f"(presets/demo/figures/{task}.png)" in readme
    assert sum((DEMO / "figures" / f"{task}.png").stat().st_size for task in TASKS) < 600_000
