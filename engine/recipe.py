"""Recipes: what a result was made of, written into every file of it, so that it can be made again: bit for bit where the same
computes it."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from engine.audio import Song
from engine.errors import AudioError
from engine.headers import comment
from engine.request import Request

NAME = "recipe.json"
SETTINGS = ("wanted", "start", "stop", "seconds", "channels", "prompts", "mixture_prompt")
"""Fields of a request that are no audio."""


@dataclass(frozen=True)
class Recipe:
    """model: name and digest (of engine.cards.Card), as "sha256". preset: every setting, seed and back end among them.
    settings: of the request. inputs: role (see Request.parts) to path and SHA-256 of the samples. package: version that made it.
    computed: torch's version and how many threads it had, which decide the last bits; {} where nobody knows."""

    model: dict[str, str]
    preset: dict[str, Any]
    settings: dict[str, Any]
    sample_rate: int
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    package: str = ""
    computed: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps({"stemweave": asdict(self)}, sort_keys=True)


def recipe_of(
    request: Request, paths: dict[str, Path], preset: dict[str, Any], model: str, digest: str, here: bool = True
) -> Recipe:
    """The recipe of a request whose audio was read from `paths`, by role. here: this process computes it."""
    parts = request.parts()
    inputs = {role: {"path": str(path), "sha256": fingerprint(parts[role])} for role, path in paths.items()}
    settings = {key: getattr(request, key) for key in SETTINGS}
    made_of = {"name": model, "sha256": digest}, preset, settings, request.sample_rate, inputs
    return Recipe(*made_of, package_version(), computes() if here else {})


def computes() -> dict[str, Any]:
    """Of this process, what a recipe says in `computed`."""
    import torch

    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def otherwise(recipe: Recipe) -> list[str]:
    """What made it, as far as it says, that is not what this process would make it with."""
    then, now = {"stemweave": recipe.package} | recipe.computed, {"stemweave": package_version()} | computes()
    told = {key: then[key] for key in now if then.get(key) not in ("", None, now[key])}
    return [f"{key} {found} (here {now[key]})" for key, found in told.items()]


def fingerprint(audio: np.ndarray | Song) -> str:
    """SHA-256 of (channels, frames) as float32, one channel after the other: the same for a WAV and its FLAC copy, whatever else
    the files hold."""
    sha = hashlib.sha256()
    for channel in range(audio.shape[0]):
        for block in audio.blocks() if isinstance(audio, Song) else (audio,):
            sha.update(np.ascontiguousarray(block[channel], dtype="<f4").data)
    return sha.hexdigest()


def read_recipe(path: Path) -> Recipe:
    """From a result, or from the recipe.json beside it. AudioError when there is none in it."""
    try:
        text = path.read_text() if path.suffix == ".json" else comment(path)
        known = {f.name for f in fields(Recipe)}  # a later version may say more
        recipe = Recipe(**{key: value for key, value in json.loads(text)["stemweave"].items() if key in known})
        tables = recipe.model, recipe.preset, recipe.settings, recipe.inputs, recipe.computed
        if not all(isinstance(table, dict) for table in tables):
            raise TypeError("a table is something else")
        return recipe
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AudioError(
            f"{path} holds no recipe of stemweave's.", f"Name a stem it wrote, or the {NAME} beside it."
        ) from error


@cache
def package_version() -> str:
    try:
        return version("stemweave")
    except PackageNotFoundError:
        return "unknown"
