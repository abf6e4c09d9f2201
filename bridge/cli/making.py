"""What all commands that make stems do: check, read, run on a server or here, and write."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from bridge.cli import results, ticket
from bridge.cli.console import err, interrupt_flag, progress_bar
from bridge.client import ADDRESS, Client, find_server
from bridge.doors import is_loopback
from bridge.errors import BridgeError, RemoteError
from bridge.files import prepare, read_parts
from bridge.folders import is_path
from bridge.play import check_stem, play
from engine.audio import read_audio
from engine.errors import Cancelled
from engine.recipe import recipe_of
from engine.request import RESIDUAL, Request


def make(
    paths: dict[str, Path], given: dict[str, Any], preset: str, overrides: dict[str, Any],
    output: Path, server: str | None, overwrite: bool, as_json: bool, play_stem: str | None = None,
) -> None:  # fmt: skip
    """The stems of a request in a folder. paths: audio by role (see Request.parts). given: other fields of the request.
    play_stem: one to be heard at the end."""
    from engine.prompting import told_card
    from engine.tasks import TASKS, by_mixture_alone, check

    settings, card = checked(preset, overrides)
    paths = {role: path.resolve() for role, path in paths.items()}
    rate, parts = read_parts(paths) if paths else (given["sample_rate"], [])
    request = Request.of(rate, parts, **{key: value for key, value in given.items() if key != "sample_rate"})
    spec = told_card(card, request).spec
    check(settings, spec, request)
    if not by_mixture_alone(settings, request):
        TASKS[settings.task](request, spec)  # what cannot be met is told before anything is written
    separates = settings.task == "separate"
    written = request.wanted if separates and request.wanted else spec.sources
    names = [*written, *([RESIDUAL] if request.mixture is not None else [])]
    if play_stem:
        check_stem(play_stem, names)
    prepare(output)
    results.spare(list(paths.values()), output, names, overwrite)
    server = found(server)
    settings, overrides = with_backend(settings, card, overrides, server)
    stretches = run(request, preset, overrides, server, settings.task, output)
    if separates:
        stretches = only(request.wanted, stretches)
    recipe = recipe_of(request, paths, settings.as_dict(), card.name, card.digest(), here=server == "none")
    made = results.write(output, stretches, request, recipe, list(paths.values()), overwrite, as_json)
    if play_stem:
        play(read_audio(made[play_stem]).samples, rate)


def checked(preset: str, overrides: dict[str, Any]) -> tuple[Any, Any]:
    """The preset with its overrides and the card of its model, all of it checked before anything is read or made."""
    from engine.cards import read_card
    from engine.models import find_model
    from engine.presets import load_preset
    from engine.tasks import check

    settings = load_preset(preset, **overrides)
    card = read_card(find_model(settings.model))
    check(settings, card.spec)
    return settings, card


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
