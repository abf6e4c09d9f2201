"""What a worker can be told to run instead of the engine: quick, slow, deadly."""

import itertools
import os
import resource
import signal
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bridge.workers import Desk, _spooled, perform_order
from engine.errors import AudioError, Cancelled


def halves(desk: Desk) -> None:
    """Two stems, each half of the input, in pieces of 1000 frames with progress. A seed of 13 kills the process once, 14 always,
    15, 16 and 18 fail, 17 waits after the first piece to be cancelled; steps: how many 20 ms steps to take first, cancellable;
    pause: ms before each piece; hold: a file for which it waits when half of the pieces are done."""
    order = desk.order
    audio = np.fromfile(order.folder / "input.f32", dtype="<f4").reshape(order.audio.frames, order.audio.channels).T
    seed, steps, hold = (order.overrides.get(*told) for told in (("seed", 0), ("steps", 1), ("hold", "")))
    for step in range(steps):
        time.sleep(0.02)
        desk.progress((step + 1) / steps)
        if desk.cancelled():
            raise Cancelled()
    for start in range(0, audio.shape[1], 1000):
        time.sleep(order.overrides.get("pause", 0) / 1000)
        half = audio[:, start : start + 1000] / 2
        desk.partial(start, {"one": half, "residual": half})
        while seed == 17 or (hold and 2 * start >= audio.shape[1] - 1000 and not Path(hold).exists()):
            time.sleep(0.02)
            if desk.cancelled():
                raise Cancelled()
    marker = order.folder / "died-before"
    if seed == 14 or (seed == 13 and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == 15:
        raise AudioError("The tape is torn.", "Splice it.")
    if seed == 16:
        raise ZeroDivisionError
    if seed == 18:
        raise MemoryError


def counted(desk: Desk) -> None:
    """The engine's work, with torch as the only back end. In the folder $STEMWEAVE_CALLS, `calls` grows by a byte with each call of
    the network, and the call whose number stands in `hold` waits for as long as it stands there."""
    folder = Path(os.environ["STEMWEAVE_CALLS"])

    def back_end(card, device):
        denoiser = eager(card, device)

        def call(*given):
            with open(folder / "calls", "ab") as file:
                file.write(b".")
                number = str(file.tell())
            while (folder / "hold").exists() and (folder / "hold").read_text() == number:
                time.sleep(0.01)
            return denoiser(*given)

        return call

    from engine.backends import BACKENDS, eager

    with patch.dict(BACKENDS, torch=back_end):
        perform_order(desk)


def cramped(desk: Desk) -> None:
    """The engine's work in a process that may have so little more memory that a call of the network, which wants a gibibyte an
    item, gets it for one at a time only. What is wanted is never touched: only addresses are short."""
    import torch

    from engine.backends import BACKENDS, eager

    torch.set_num_threads(1)  # on a machine with many cores their stacks alone would be too much

    def back_end(card, device):
        denoiser = eager(card, device)

        def call(x, *given):
            torch.empty(len(x), 2**28)
            assert len(x) == 1
            return denoiser(x, *given)

        return call

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30 + 2**29, resource.RLIM_INFINITY))
    try:
        with patch.dict(BACKENDS, torch=back_end):
            perform_order(desk)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)


_jobs = itertools.count()


def first(desk: Desk) -> None:
    """The first job as `halves` does it; every later one waits, half done, to be cancelled."""
    if next(_jobs):
        desk.order.overrides["seed"] = 17
    halves(desk)


def company(desk: Desk) -> None:
    """All sources: the given ones as they are, wanted ones half of whatever is loudest among the given at each sample; of a
    given one that is wanted only the stretch."""
    request = _spooled(desk.order)
    given = np.stack(list(request.stems.values()))
    loudest = np.take_along_axis(given, np.abs(given).argmax(0)[None], 0)[0]
    rests = np.zeros_like(loudest)
    made = {name: loudest / 2 if name in request.wanted else rests for name in ("bass", "drums", "guitar", "piano")}
    start, stop = (round(at * request.sample_rate) for at in (request.start, request.stop))
    for name, stem in request.stems.items():
        made[name], fresh = stem.copy(), made[name]
        if name in request.wanted:
            made[name][:, start:stop] = fresh[:, start:stop]
    desk.partial(0, made)


def stubborn(desk: Desk) -> None:
    """Works on for good and never asks whether to stop."""
    desk.progress(0.5)
    while True:
        time.sleep(0.05)


def signed(desk: Desk) -> None:
    """`halves`, by whoever puts down its process id first, in `signed` beside the audio, a line each try."""
    with open(desk.order.folder / "signed", "a") as file:
        print(os.getpid(), file=file)
    halves(desk)
