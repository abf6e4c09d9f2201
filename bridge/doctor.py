"""What `stemweave doctor` finds out: each check an outcome and, where it is not well, what to do."""

import importlib.metadata
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bridge import protocol
from bridge.client import find_server
from bridge.ports import is_free, owner
from engine.errors import StemweaveError

PACKAGES = (
    "stemweave", "torch", "torchaudio", "numpy", "onnxruntime-gpu", "onnxruntime", "pyzmq", "python-osc", "sounddevice",
    "soundfile", "soxr",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """outcome: "ok", "warning" (something is missing that the main job does without) or "problem" (it does not)."""

    check: str
    outcome: Literal["ok", "warning", "problem"]
    found: str
    remedy: str = ""


def examine(port: int = protocol.DEFAULT_PORT) -> list[Finding]:
    """All checks, in the order a person would ask."""
    return [finding for check in CHECKS for finding in check(port)]


def versions(_: int) -> list[Finding]:
    findings = [Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    for package in PACKAGES:
        try:
            findings.append(Finding(package, "ok", importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            if not package.startswith("onnxruntime"):
                findings.append(Finding(package, "problem", "not installed", "pip install stemweave again"))
    return findings


def torch_devices(_: int) -> list[Finding]:
    from engine.devices import torch_devices

    devices = torch_devices()
    if len(devices) > 1:
        return [Finding("torch devices", "ok", ", ".join(devices))]
    return [
        Finding(
            "torch devices", "ok", devices[0],
            "No GPU that torch can use. With an NVIDIA card: install its driver, then pip install --force-reinstall torch",
        )
    ]  # fmt: skip


def torchaudio(_: int) -> list[Finding]:
    try:
        from engine.torchaudio_shim import extension_loaded
    except (ImportError, OSError) as error:
        return [Finding("torchaudio works", "problem", str(error), "pip install --force-reinstall torchaudio")]
    how = (
        "with its compiled extension"
        if extension_loaded
        else "without its compiled extension (torch is a CPU-only build); not needed"
    )
    return [Finding("torchaudio works", "ok", how)]


def onnx_providers(_: int) -> list[Finding]:
    """onnxruntime lists what it was built with, not what is there: only a session tells, and there is none yet."""
    try:
        import onnxruntime
    except ImportError:
        return [
            Finding("onnxruntime", "warning", "cannot be imported", "pip install --force-reinstall onnxruntime-gpu")
        ]
    from engine.devices import torch_devices

    built = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    usable = [name for name in built if name == "CPU" or "cuda" in " ".join(torch_devices())]
    return [Finding("onnxruntime", "ok", f"built for {', '.join(built)}; usable here: {', '.join(usable) or 'none'}")]


def backends_and_models(_: int) -> list[Finding]:
    from engine.backends import BACKENDS
    from engine.models import DEFAULT, list_models

    findings = [Finding("back ends", "ok", ", ".join(BACKENDS))]
    try:
        names = [card.name for card in list_models()]
    except StemweaveError as error:
        return [*findings, Finding("models", "problem", error.message, error.hint)]
    if DEFAULT in names:
        return [*findings, Finding("models", "ok", ", ".join(names))]
    return [*findings, Finding("models", "problem", f"no model called '{DEFAULT}'", "pip install stemweave again")]


def port_in_use(port: int) -> list[Finding]:
    address = f"tcp://127.0.0.1:{port}"
    welcome = find_server(address)
    if welcome:
        who = owner(port) or "a process"
        return [
            Finding(
                f"port {port}",
                "ok",
                f"a stemweave server ({who}, protocol {welcome.version}, session {welcome.session[:8]})",
            )
        ]
    if is_free(port):
        return [Finding(f"port {port}", "ok", "free; no server runs (separate works in its own process)")]
    return [
        Finding(
            f"port {port}", "warning", f"in use by {owner(port) or 'another program'}, which is no stemweave server",
            f"Stop it, or serve elsewhere: stemweave serve --port {port + 10}",
        )
    ]  # fmt: skip


def sound_devices(_: int) -> list[Finding]:
    from bridge.play import sounddevice

    try:
        devices = [device["name"] for device in sounddevice().query_devices() if device["max_output_channels"] > 0]
    except StemweaveError as error:
        return [Finding("sound", "warning", error.message, error.hint)]
    if not devices:
        return [
            Finding("sound", "warning", "no output device", "Connect one to use --play; stems are written without it")
        ]
    return [Finding("sound", "ok", ", ".join(devices))]


CHECKS: tuple[Callable[[int], list[Finding]], ...] = (
    versions, torch_devices, torchaudio, onnx_providers, backends_and_models, port_in_use, sound_devices,
)  # fmt: skip


def verdict(findings: list[Finding]) -> int:
    """Exit code: 1 when something keeps the main job from running."""
    return int(any(finding.outcome == "problem" for finding in findings) or sys.version_info < (3, 11))
