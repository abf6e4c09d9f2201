"""Back ends that run an export: made when a model is first wanted so, and kept in the user's cache folder for the next time.

Another model, precision, kind of device, torch or version of the code that makes it is another export; so is, of what is compiled,
another machine.
"""

import functools
import hashlib
import os
import platform
import shutil
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

import platformdirs
import torch

from engine import aoti as compiling
from engine import export, formats, networks, providers
from engine.backends.eager import eager
from engine.cards import Card
from engine.denoiser import Denoiser
from engine.errors import ModelError, ResourceError
from engine.export import write_core
from engine.formats import FORMATS, Run
from engine.networks.core import replace_core


def torchscript(card: Card, device: str) -> Denoiser:
    """The core as a frozen trace."""
    return exported(card, device, "torchscript", "fp32")


def torchscript_bf16(card: Card, device: str) -> Denoiser:
    """The same in bfloat16."""
    return exported(card, device, "torchscript", "bf16")


def onnxruntime(card: Card, device: str) -> Denoiser:
    """The core in onnxruntime, by the best of its providers that starts (engine/providers.py). ResourceError where the package
    onnx, which writes it, is missing."""
    return exported(card, device, "onnx", "fp32")


def aoti(card: Card, device: str) -> Denoiser:
    """The core compiled for this machine, a minute or two of work the first time. ResourceError where there is no C++ compiler."""
    return exported(card, device, "aoti", "fp32")


SLOW = {"aoti": ("aoti", "fp32")}
"""What takes too long to make while somebody waits: (format, precision) by back end."""


UNUSED = 7 * 86_400.0  # seconds after which nobody goes back to another version of the code or of torch


def made(card: Card, device: str, backend: str) -> bool:
    """Whether one of SLOW lies in the cache, made for somebody who asked for it."""
    return _folder(card, device, *SLOW[backend]).exists()


def cache() -> Path:
    """The folder of what can be made again."""
    return platformdirs.user_cache_path("stemweave")


@functools.cache
def code() -> str:
    """SHA-256 of the sources of all networks and of what exports them: what was made by others is not what torch computes here."""
    folder, sha = Path(networks.__file__).parent, hashlib.sha256()
    for path in [
        *sorted(folder.glob("*.py")),
        *(Path(module.__file__ or "") for module in (export, formats, providers, compiling)),
    ]:
        sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def exported(card: Card, device: str, format: str, precision: str) -> Denoiser:
    """The card's denoiser, its core run from a cached export. ModelError or ResourceError where that cannot be."""
    denoiser = eager(card, device)
    try:
        run = _open_or_write(card, denoiser, device, format, precision)
    except OSError as error:
        message = f"The export of '{card.name}' cannot be kept in {cache()}: {error.strerror or error}."
        raise ResourceError(message, "Make room there, or use --backend torch.") from error
    return replace_core(denoiser, run)


def _open_or_write(card: Card, denoiser: Denoiser, device: str, format: str, precision: str) -> Run:
    """What lies in the cache; what is missing or damaged there is made (again)."""
    folder = _folder(card, device, format, precision)
    path = folder / f"core{FORMATS[format].suffix}"
    if folder.exists():
        with suppress(OSError):  # the cache may be somebody else's
            os.utime(folder)  # so that those nobody uses are told
        try:
            return FORMATS[format].open(path, device)[0]
        except ModelError:
            shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent, ignore_cleanup_errors=True) as new:
        write_core(card, denoiser, format, precision, Path(new) / path.name)
        _publish(Path(new), folder)
    _prune(folder.parent)
    return FORMATS[format].open(path, device)[0]


def _folder(card: Card, device: str, format: str, precision: str) -> Path:
    """Of one export. What is compiled fits the machine it is compiled on, and cache folders may be shared between machines."""
    kind, made_by = device.partition(":")[0], version()
    if format == "aoti":
        made_by += f"-{hashlib.sha256(repr(machine(device)).encode()).hexdigest()[:16]}"
    return cache() / "exports" / f"{card.digest()[:32]}-{format}-{precision}-{kind}-{made_by}"


def version() -> str:
    """Of the code and of torch, as the name of each export has it."""
    return f"{code()[:16]}-torch{torch.__version__}"


def machine(device: str) -> tuple[object, ...]:
    """What compiled code fits, and what decides how fast code is: the processor, the threads torch has (compiled in), the GPU where
    that is the device."""
    gpu: tuple[object, ...] = ()
    if device.startswith("cuda") and torch.cuda.is_available():
        gpu = torch.cuda.get_device_name(device), *torch.cuda.get_device_capability(device)
    return platform.machine(), processor(), torch.get_num_threads(), *gpu


KINDS = ("model name", "flags", "Features", "CPU implementer", "CPU part", "isa", "cpu", "features")
"""Lines of Linux's /proc/cpuinfo that say what a processor is (x86, Arm, RISC-V, POWER, z); others are of the moment."""


@functools.cache
def processor(told: Path = Path("/proc/cpuinfo")) -> str:
    """SHA-256 of which model the processor is and what it can do, as far as the system tells."""
    try:
        lines = {
            line for line in told.read_text(errors="replace").splitlines() if line.partition(":")[0].strip() in KINDS
        }
    except OSError:  # no Linux
        lines = {platform.processor()}
    lines.add(torch.backends.cpu.get_cpu_capability())
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _publish(new: Path, folder: Path) -> None:
    """The finished folder under its name, at once and whole; where another process was quicker its equal stays."""
    try:
        os.rename(new, folder)
    except OSError:
        if not folder.is_dir():
            raise


def _prune(exports: Path) -> None:
    """Drop what other versions made, and what a killed program left half made, once nobody used it for long. What a process has
    open it can still read, or else (Windows) it cannot be renamed and stays."""
    for folder in exports.iterdir():
        with suppress(OSError):
            if version() not in folder.name and time.time() - folder.stat().st_mtime > UNUSED:
                shutil.rmtree(folder.rename(exports / f".gone-{uuid.uuid4()}"))
