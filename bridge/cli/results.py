"""Where results go: a folder of stems with the recipe they were made by, and nothing the user has replaced unasked."""

import itertools
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile

from bridge import files
from bridge.cli import ticket
from bridge.cli.console import out, print_json
from engine.errors import ResourceError
from engine.recipe import NAME, Recipe
from engine.request import Request


def spare(given: list[Path], folder: Path, names: list[str], overwrite: bool) -> None:
    """Nothing the user has is replaced unasked; what was given to work with, and a recipe.json of another program, never are."""
    files.spare(given, folder, names)
    files.spare_others(folder, [])
    there = [f"{name}.wav" for name in names if (folder / f"{name}.wav").exists()]
    if there and not overwrite:
        raise ResourceError(
            f"{folder} already holds {', '.join(there)}.", "Choose another folder, or add --overwrite to replace them."
        )


def write(
    folder: Path, stretches: Generator[dict[str, np.ndarray]], request: Request, recipe: Recipe, given: list[Path],
    overwrite: bool, as_json: bool,
) -> dict[str, Path]:  # fmt: skip
    """The stems and their recipe, as they come; says what was written, and where by name."""
    with closing(stretches):  # whatever becomes of the files, the progress bar ends
        first = next(stretches)
        # A server may have another model under the same name, with other sources.
        spare(given, folder, list(first), overwrite)
        paths = files.write_stems(folder, itertools.chain([first], stretches), request, recipe)
    ticket.drop(folder)
    if as_json:
        frames = soundfile.info(str(next(iter(paths.values())))).frames
        print_json({"stems": paths, "sample_rate": request.sample_rate, "frames": frames, "recipe": folder / NAME})
    else:
        for path in paths.values():
            out.print(str(path), soft_wrap=True)
    return paths
