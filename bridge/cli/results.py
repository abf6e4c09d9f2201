"""Where results go: a folder of stems with the recipe they were made by, and nothing the user has replaced unasked."""

import itertools
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soundfile

from bridge import files
from bridge.cli import ticket
from bridge.cli.console import err, interrupt_flag, out, print_json, progress_bar
from bridge.client import ADDRESS, Client, find_server
from bridge.doors import is_loopback
from bridge.errors import BridgeError, RemoteError
from bridge.folders import is_path
from engine.errors import Cancelled, ResourceError
from engine.recipe import NAME, Recipe
from engine.request import RESIDUAL, Request


def spare(given: list[Path], folder: Path, names: list[str], overwrite: bool) -> None:
    """Nothing the user has is replaced unasked; what was given to work with never is."""
    files.spare(given, folder, names)
    there = [f"{name}.wav" for name in names if (folder / f"{name}.wav").exists()]
    if there and not overwrite:
        raise ResourceError(
            f"{folder} already holds {', '.join(there)}.", "Choose another folder, or add --overwrite to replace them."
        )


def found(server: str | None) -> str:
    """The address of the server that is named; where none is, of the one that answers at the usual one, else "none"."""
    return server or (ADDRESS if find_server(ADDRESS) else "none")


def with_backend(settings: Any, card: Any, overrides: dict[str, Any], server: str) -> tuple[Any, dict[str, Any]]:
    """The settings (a Preset) and overrides with the device, the server's where nobody names one, and the back end, which `auto`
    means here, by name: the recipe shall make the same again. A server on another machine, or with a device that is not to be had
    here, knows best what is fastest there."""
    from bridge.workers import on_device
    from engine.devices import is_here
    from engine.models import resolve_backend

    if server != "none":
        with Client(server) as client:
            settings = on_device(settings, overrides, client.device or settings.device)
        if not is_loopback(urlsplit(server).hostname or "") or not is_here(settings.device):
            return settings, overrides
    with err.status("finding the fastest back end for this model on this machine (once)"):
        backend = resolve_backend(card, settings.device, settings.backend)
    return replace(settings, backend=backend), overrides | {"backend": backend, "device": settings.device}


def run(
    request: Request, preset: str, overrides: dict[str, Any], server: str, title: str, folder: Path
) -> Generator[dict[str, np.ndarray]]:
    """On the server at this address, which keeps the stems until all are taken, or here ("none"). A server goes on when this
    program or the connection ends; the ticket in `folder` finds the job again. Stretches as of engine.filling."""
    if is_path(preset):  # a server works in another folder than the user
        preset = str(Path(preset).resolve())
    with progress_bar(title) as progress, interrupt_flag() as cancelled:
        if server != "none":
            err.print(f"by the server at {server}", style="dim")
            job, before = ticket.take(folder, server, request, preset, overrides)
            if before:
                err.print("this was asked for before and goes on where it is", style="dim")
            try:
                with Client(server) as client:
                    stems = client.perform(
                        request, preset, overrides, on_progress=progress, cancelled=cancelled, job=job, keep=True
                    )
                    try:
                        yield stems
                    except GeneratorExit:  # they could not be written: without a goodbye the server keeps them
                        client.close()
                        raise
            except (Cancelled, RemoteError):
                ticket.drop(folder)
                raise
            except BridgeError as error:
                hint = f"{error.hint} The same command then goes on where this one was."
                raise BridgeError(error.message, hint) from error
            return
        from engine.filling import perform_stretches
        from engine.models import load_model
        from engine.presets import load_preset

        settings = load_preset(preset, **overrides)
        model = load_model(settings.model, settings.device, settings.backend)
        yield from perform_stretches(model, request, settings, on_progress=progress, cancelled=cancelled)


def only(wanted: Sequence[str], stretches: Generator[dict[str, np.ndarray]]) -> Generator[dict[str, np.ndarray]]:
    """Of a separation the stems that are wanted, all where none is named; what they leave of the song is the residual."""
    with closing(stretches):
        for stretch in stretches:
            for name in [name for name in stretch if wanted and name not in (*wanted, RESIDUAL)]:
                stretch[RESIDUAL] = stretch[RESIDUAL] + stretch.pop(name)
            yield stretch


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


def overrides_of(**chosen: Any) -> dict[str, Any]:
    """Those that were set; a model given by its folder from the root, for a server works in another folder than the user."""
    from engine.cards import CARD

    model = chosen.get("model")
    if model and (Path(model) / CARD).is_file():
        chosen["model"] = str(Path(model).resolve())
    return {key: value for key, value in chosen.items() if value is not None}
