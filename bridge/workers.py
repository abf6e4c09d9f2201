"""Where jobs run: a process of its own, so that a crash, an out-of-memory kill or a hang never takes the server along."""

import errno
import hashlib
import importlib
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bridge.costs import Peak
from bridge.errors import DAMAGED, INTERNAL, BridgeError, code_of, sayable
from bridge.folders import Folders
from bridge.jobs import CHUNKS, INPUT, Job, Order
from bridge.protocol import Part
from engine import heap
from engine.errors import Cancelled, StemweaveError

PERFORM = "bridge.workers:perform_order"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WORKERS = {"local": "bridge.workers:worker_main", "ray": "bridge.ray_workers:cluster_main"}
"""Where jobs can run: name to what the worker process is."""

DIED = (
    "The process that computes died while it worked on this job, twice.",
    "Close other programs to free memory, or try a shorter song; the server itself goes on.",
)
PROGRESS_EVERY = 0.05  # seconds: a network call may take less than a message is worth


class Desk:
    """A running order's way to its server: it reports, and asks whether to go on. folders: what it may read and write."""

    def __init__(self, connection: Any, cancel: Any, number: int, order: Order, folders: Folders):
        self._connection, self._cancel, self._number, self.order = connection, cancel, number, order
        self.folders = folders
        self.peak = Peak()
        self._last = 0.0
        self._hashes: dict[str, Any] = {}

    def progress(self, fraction: float) -> None:
        if time.monotonic() - self._last > PROGRESS_EVERY or fraction >= 1:
            self._last = time.monotonic()
            self._connection.send(("progress", self.order.job, fraction))

    def partial(self, start: int, stems: dict[str, np.ndarray]) -> None:
        """Spool finished stretches, (channels, n) each, and say so. A second try writes over what the first one left, whose
        bytes may still be on their way to the client."""
        for name, stem in stems.items():
            path = self.order.folder / f"{name}.f32"
            audio = np.ascontiguousarray(stem.T, dtype="<f4")
            with open(path, "r+b" if path.exists() else "wb") as file:
                file.seek(start * audio.itemsize * audio.shape[1])
                file.write(audio.data)
            self._hashes.setdefault(name, hashlib.sha256()).update(audio.data)
        frames = start + next(iter(stems.values())).shape[1]
        self._connection.send(("partial", self.order.job, frames, tuple(stems)))

    def digests(self) -> dict[str, str]:
        """SHA-256 of each stem's bytes, hexadecimal."""
        return {name: sha.hexdigest() for name, sha in self._hashes.items()}

    def wrote(self, stem: str, path: Path) -> None:
        self._connection.send(("wrote", self.order.job, stem, str(path)))

    def begin(self) -> None:
        """What the job's memory is counted from: its model stays for the next."""
        self.peak = Peak()

    def cancelled(self) -> bool:
        return self._cancel.value == self._number


def perform_order(desk: Desk) -> None:
    """Run one order on the engine: from the spool, or from files to files."""
    from bridge.files import prepare, read_parts, spare, spare_others, stem_paths, write_stems
    from engine.filling import perform_stretches
    from engine.finished import Finished
    from engine.prompting import told_card
    from engine.recipe import recipe_of
    from engine.request import RESIDUAL, Request

    order, inside = desk.order, desk.folders.inside
    preset, model, digest = _prepared(desk)

    def made_by(request: Request, paths: dict[str, Path]) -> Any:
        return recipe_of(request, paths, preset.as_dict(), model.card.name, digest)

    def how(request: Request) -> dict[str, Any]:
        finished = Finished(order.folder / CHUNKS, made_by(request, {}).text())
        return {"on_progress": desk.progress, "cancelled": desk.cancelled, "sample": finished.sample}

    if order.audio is not None:
        request, done = _spooled(order), 0
        for stretch in perform_stretches(model, request, preset, **how(request)):
            desk.partial(done, stretch)
            done += next(iter(stretch.values())).shape[1]
        return
    paths = stem_paths(list(order.files), found_at=inside)
    rate, parts = read_parts(paths) if paths else (model.spec.sample_rate, [])
    request = Request.of(rate, parts, **order.settings)
    out = inside(order.out)
    names = [*told_card(model.card, request).spec.sources, *([] if request.mixture is None else [RESIDUAL])]
    spare(paths.values(), out, names)
    spare_others(out, names)
    ours = not out.exists()
    prepare(out)
    try:
        stretches = perform_stretches(model, request, preset, **how(request))
        written = write_stems(out, stretches, request, made_by(request, paths), lambda: spare_others(out, names))
    except BaseException:
        if ours:
            with suppress(OSError):  # something else lies in it
                out.rmdir()
        raise
    for name, path in written.items():
        desk.wrote(name, path)


def _prepared(desk: Desk) -> tuple[Any, Any, str]:
    """The preset of an order, with the back end that it comes to, its model, and the model's digest."""
    from engine.models import find_model
    from engine.presets import load_preset

    desk.folders.check(desk.order)
    preset = load_preset(desk.order.preset, **desk.order.overrides)
    preset = on_device(preset, desk.order.overrides, desk.order.device)
    if find_model(preset.model) == Path(preset.model):  # by its path, or by a name that is one in the current folder
        desk.folders.inside(preset.model)
    model, digest = _model(preset.model, preset.device, preset.backend, desk.cancelled)
    desk.begin()
    return replace(preset, backend=model.backend), model, digest


def on_device(preset: Any, overrides: dict[str, Any], device: str) -> Any:
    """The preset with this device, unless it or its overrides name one."""
    from engine.presets import defaults

    named = "device" in overrides or preset.device != defaults()["device"]
    return preset if named else replace(preset, device=device)


def _spooled(order: Order) -> Any:
    """The request whose audio lies in the order's folder, its parts end to end."""
    from engine.audio import open_raw
    from engine.request import MIXTURE, Request

    assert order.audio is not None
    shape = (order.audio.frames, order.audio.channels)
    path = order.folder / INPUT
    if order.audio.frames and all(part == Part(MIXTURE, order.audio.frames) for part in order.parts):
        song = open_raw(path, order.audio.channels, order.audio.sample_rate)
        return Request.of(song.sample_rate, [(MIXTURE, song)], channels=song.channels, **order.settings)
    samples = np.fromfile(path, dtype="<f4") if order.audio.frames else np.zeros(0, np.float32)
    samples = samples.reshape(shape).T
    pieces: dict[str, np.ndarray] = {}
    end = 0
    for part in order.parts:
        start, end = end, end + part.frames
        if part.frames:
            piece = samples[:, start:end]
            pieces[part.name] = pieces[part.name] + piece if part.name in pieces else piece
    return Request.of(order.audio.sample_rate, pieces.items(), channels=order.audio.channels, **order.settings)


_loaded: dict[tuple[Any, ...], tuple[Any, str]] = {}


def _model(name: str, device: str, backend: str, cancelled: Callable[[], bool]) -> tuple[Any, str]:
    """The model and its digest when it was loaded; kept for the next order that wants the same one, unless it was replaced."""
    from engine.cards import read_card
    from engine.models import find_model, load_model

    key = (name, device, backend, read_card(find_model(name)).stamp())
    if key not in _loaded:
        _loaded.clear()
        model = load_model(name, device, backend, cancelled)
        _loaded[key] = model, model.card.digest()
    return _loaded[key]


def names() -> tuple[list[str], list[str]]:
    """Models and presets there are. A damaged preset hides the list, not the engine: a job names the fault again."""
    from engine.errors import ModelError
    from engine.models import list_models
    from engine.presets import list_presets

    damaged: list[ModelError] = []
    models, presets, log = [card.name for card in list_models(damaged)], [], logging.getLogger("stemweave")
    for error in damaged:
        log.warning("%s", error)
    try:
        presets = [preset.name for preset in list_presets()]
    except StemweaveError as error:
        log.warning("%s", error)
    return models, presets


def main_of(workers: str) -> Callable[..., None]:
    """What a worker process does; workers: of WORKERS. BridgeError where it cannot be had."""
    if workers not in WORKERS:
        raise BridgeError(f"There are no workers called '{workers}'.", f"There are: {', '.join(WORKERS)}.")
    module, function = WORKERS[workers].split(":")
    try:
        return getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise BridgeError(
            f"Workers called '{workers}' need a package that is not installed: {error}.",
            f"Install it: pip install 'stemweave[{workers}]'",
        ) from error


def worker_main(connection: Connection, cancel: Any, target: str, folders: Folders) -> None:
    """The worker process: one order after another until the server hangs up."""
    threading.Thread(target=leave_with_parent, daemon=True).start()
    module, function = target.split(":")
    run: Callable[[Desk], None] = getattr(importlib.import_module(module), function)
    try:
        connection.send(("ready", *names()))
        while True:
            number, order = connection.recv()
            told = outcome(run, Desk(connection, cancel, number, order, folders))
            heap.give_back()  # first: who hears of the end may ask how much memory is free
            connection.send(told)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def outcome(run: Callable[[Desk], None], desk: Desk) -> tuple:
    job, started = desk.order.job, time.monotonic()
    try:
        heard, audio = _heard(desk), desk.order.audio
        if heard and audio and heard != (audio.sha256 or heard):
            return ("error", job, DAMAGED, "The audio was damaged on the server's disk.", "Send it again.")
        run(desk)
        return ("done", job, time.monotonic() - started, desk.digests(), desk.peak.bytes(), heard)
    except Cancelled:
        return ("cancelled", job)
    except StemweaveError as error:
        return ("error", job, code_of(error), error.message, error.hint)
    except MemoryError:
        return (
            "error",
            job,
            "no_resource",
            "There was not enough memory for this job.",
            "Close other programs, or ask for a shorter stretch.",
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            said = f"The stems cannot be kept: {error.strerror}."
            return ("error", job, "no_resource", said, "Free some space on the server's disk, then ask again.")
        return (
            "error",
            job,
            INTERNAL,
            f"The job failed in a way nobody foresaw: {error!r}.",
            "Please report it with this text.",
        )


def _heard(desk: Desk) -> str:
    """SHA-256 of the audio, which may have lain there for long; "" where there is none, or the server looks itself."""
    order, found = desk.order, hashlib.sha256()
    if order.fresh or order.audio is None or not order.audio.frames:
        return ""
    with open(order.folder / INPUT, "rb") as file:
        while block := file.read(2**24):
            found.update(block)
            if desk.cancelled():
                raise Cancelled()
    return found.hexdigest()


def leave_with_parent() -> None:
    """A worker whose server was killed must not go on computing for nobody."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


class Worker:
    """The server's end of one worker process; starts another when it dies. main: what that is, see main_of."""

    def __init__(self, target: str = PERFORM, folders: Folders | None = None, main: Callable[..., None] = worker_main):
        self.target, self.folders, self._main = target, folders or Folders(), main
        self.job: Job | None = None
        self.models: list[str] = []
        self.presets: list[str] = []
        self._context = multiprocessing.get_context("spawn")
        self._number = 0
        self._cancelled_at: float | None = None
        self.start()

    def start(self) -> None:
        self.ready = False
        self.connection, theirs = self._context.Pipe()
        self.cancel_number = self._context.RawValue("q", 0)  # raw: a lock would outlive a killed worker
        self.process = self._context.Process(
            target=self._main, args=(theirs, self.cancel_number, self.target, self.folders), daemon=True,
            name="stemweave-worker",
        )  # fmt: skip
        self.process.start()
        theirs.close()

    @property
    def idle(self) -> bool:
        return self.ready and self.job is None

    def give(self, job: Job) -> None:
        self._number += 1
        self.job, job.state = job, "running"
        job.tries += 1
        self._cancelled_at = None
        self.connection.send((self._number, replace(job.order, fresh=job.fresh)))

    def cancel(self, job: Job) -> None:
        """Ask the running job to stop; the worker answers `cancelled` at its next step."""
        if self.job is job:
            self.cancel_number.value = self._number
            self._cancelled_at = self._cancelled_at or time.monotonic()

    def kill_if_deaf(self, grace: float) -> None:
        """End by force what has not heard cancel for `grace` seconds."""
        if self.job is not None and self._cancelled_at and time.monotonic() - self._cancelled_at > grace:
            self.process.kill()

    def events(self) -> Iterator[tuple]:
        """What the worker has reported since, ("died",) last when it is gone."""
        try:
            while self.connection.poll():
                event = sayable(self.connection.recv())
                if event[0] == "ready":
                    self.ready, self.models, self.presets = True, event[1], event[2]
                else:
                    yield event
        except (EOFError, OSError):
            yield ("died",)

    def replace(self) -> Job | None:
        """After a death: start a new process; returns the job that was lost with the old one."""
        self.connection.close()
        self.process.kill()
        self.process.join()
        lost, self.job, self._cancelled_at = self.job, None, None
        self.start()
        return lost

    def close(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
