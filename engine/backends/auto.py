"""`auto`: the back end that measures fastest for a model on this machine, found once and remembered in the user's cache folder."""

import hashlib
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import torch

from engine.backends import BACKENDS, runs_on
from engine.backends.exported import SLOW, cache, code, machine, made
from engine.cards import Card
from engine.denoiser import Denoiser
from engine.devices import check_device, multiplies_bfloat16
from engine.errors import Cancelled, StemweaveError
from engine.export import agreement
from engine.networks.core import probe

Asked = Callable[[], bool] | None
AUTO = "auto"
REFERENCE = "torch"
SMALL, LARGE = 2_000_000, 300_000_000
"""Bytes of weights: below, there is nothing to gain; above, finding out takes minutes and gigabytes unasked."""
ITEMS, SAMPLES = 2, 32768  # of the probe: songs come in batches, whose items some compute side by side
ROUNDS = 3
BUDGET = 30.0  # seconds, after which no other is begun with: somebody waits for the job
HOPELESS = 3.0  # times the reference: not tried any further
BUSY = "the machine was too busy"
AGAIN = 3600.0  # seconds, after which what was found on a busy machine is measured again
GAIN = 1.1  # times faster than the reference, or it stays
ANEW = {"torch-compiled"}
AGREEMENT = 30.0
"""dB between the stems and the reference's. An error so far under a stem turns an SI-SDR of 13 dB into 12.9, worse ones less."""


@dataclass(frozen=True)
class Choice:
    """backend: key of BACKENDS. reason: why, for people. others: what was found of each that was tried."""

    backend: str
    reason: str
    others: dict[str, str]


def choose(card: Card, device: str, cancelled: Asked = None) -> Choice:
    """The back end to take for this model on this device: remembered, else measured (once) and remembered. cancelled: asked before
    each that is tried and each call; raises Cancelled, and nothing is remembered. ResourceError where there is no such device."""
    check_device(device)
    choice = remembered(card, device)
    if choice is None:
        choice = measure(card, device, cancelled)
        _remember(_place(card, device), choice)
    return choice


def remembered(card: Card, device: str) -> Choice | None:
    """What was chosen before, or follows from the model's size; None where it has to be measured."""
    size = card.weights.stat().st_size if card.weights.exists() else 0
    if size < SMALL:
        return Choice(REFERENCE, "the model is so small that nothing is faster", {})
    if size > LARGE:
        return Choice(REFERENCE, "the model is too large to try others unasked", {})
    try:
        place = _place(card, device)
        choice, age = Choice(**json.loads(place.read_text(encoding="utf-8"))), time.time() - place.stat().st_mtime
    except (OSError, ValueError, TypeError):
        return None
    return choice if choice.backend in BACKENDS and not (_hurried(choice.others) and age > AGAIN) else None


def _hurried(others: dict[str, str]) -> bool:
    """Whether some were not tried for want of time."""
    return any(BUSY in found for found in others.values())


@torch.no_grad()
def measure(card: Card, device: str, cancelled: Asked = None) -> Choice:
    """Every back end against torch on the same input, taking turns. Those that cannot be used here say why."""
    given = probe(card.spec, ITEMS, min(SAMPLES, card.spec.chunk), device=device)
    started, reference = time.perf_counter(), BACKENDS[REFERENCE](card, device)
    wanted = reference(*given)
    base = min(_seconds(reference, given) for _ in range(2))
    running: dict[str, Denoiser] = {REFERENCE: reference}
    quality, others = {REFERENCE: float("inf")}, {}
    for name, backend in BACKENDS.items():
        if name == REFERENCE or not runs_on(name, device):
            continue
        _heed(cancelled)
        if why := _untried(card, device, name, started):
            others[name] = f"not tried: {why}"
            continue
        try:
            denoiser = backend(card, device)
            denoiser(*given)  # the first two calls pay for what is only paid once
            quality[name] = agreement(denoiser(*given), wanted)
            took = min(_seconds(denoiser, given) for _ in range(2))
        except Exception as error:  # whatever does not run here is no choice, and must not end the job
            others[name] = f"cannot be used: {error}" if isinstance(error, StemweaveError) else f"fails: {error!r}"
            continue
        if not quality[name] >= AGREEMENT:  # NaN is no agreement either
            others[name] = f"too far off: its stems differ from torch's by -{quality[name]:.0f} dB"
        elif took > HOPELESS * base:
            others[name] = f"{base / took:.2f} times as fast as torch"
        else:
            running[name] = denoiser
    return _fastest(running, given, quality, others, cancelled)


def _untried(card: Card, device: str, name: str, started: float) -> str:
    """Why it is not even begun with; nothing where it is."""
    if time.perf_counter() - started > BUDGET:
        return BUSY
    if name.endswith("-bf16") and not multiplies_bfloat16(torch.device(device)):
        return "the processor has no bfloat16 and takes many times as long to imitate it"
    if name in SLOW and not made(card, device, name):
        return f"compiling takes minutes; once it was used by --backend {name}, it is"
    return "it compiles for minutes in every process" if name in ANEW else ""


def _heed(cancelled: Asked) -> None:
    if cancelled and cancelled():
        raise Cancelled()


def _fastest(
    running: dict[str, Denoiser], given: tuple, quality: dict[str, float], others: dict[str, str], cancelled: Asked
) -> Choice:
    """The least time of several counts: what else the machine does only ever adds."""
    seconds = dict.fromkeys(running, float("inf"))
    for _ in range(ROUNDS):
        for name, denoiser in running.items():
            _heed(cancelled)
            seconds[name] = min(seconds[name], _seconds(denoiser, given))
    ratios = {name: seconds[REFERENCE] / taken for name, taken in seconds.items()}
    others |= {
        name: f"{ratios[name]:.2f} times as fast as torch, stems differ by -{quality[name]:.0f} dB"
        for name in running
        if name != REFERENCE
    }
    best = max(ratios, key=lambda name: ratios[name])
    if ratios[best] < GAIN:
        return Choice(REFERENCE, f"{BUSY} to try others" if _hurried(others) else "no other is faster", others)
    return Choice(best, others[best], others)


def _seconds(denoiser: Denoiser, given: tuple) -> float:
    """Of one call, to its end on the device."""
    started = time.perf_counter()
    denoiser(*given).sum().item()
    return time.perf_counter() - started


def _place(card: Card, device: str) -> Path:
    """Where the choice is kept: another model, code, machine, number of threads or library, or what was compiled since, another
    place."""
    libraries = []
    runtimes = [f"onnxruntime{which}" for which in ("", "-gpu", "-openvino", "-directml")]
    for package in ("torch", "onnx", *runtimes):
        try:
            libraries.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    ready = [name for name in SLOW if made(card, device, name)]
    identity = json.dumps(
        [card.digest(), code(), device, platform.node(), machine(device), libraries, list(BACKENDS), ready]
    )
    return cache() / "backends" / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"


def _remember(place: Path, choice: Choice) -> None:
    """Whole or not at all; a machine that cannot remember measures again, and says so."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False, encoding="utf-8") as file:
            json.dump(asdict(choice), file)
        os.replace(file.name, place)
    except OSError as error:
        log = logging.getLogger("stemweave")
        log.warning("the fastest back end, %s, cannot be remembered in %s: %s", choice.backend, place.parent, error)
