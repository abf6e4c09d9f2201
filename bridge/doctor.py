"""What `stemweave doctor` finds out: each check an outcome and, where it is not well, what to do."""

import contextlib
import importlib.metadata
import io
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bridge import protocol
from bridge.client import Client
from bridge.errors import VERSION, BridgeError, RemoteError
from bridge.ports import is_free, owner, udp_is_free
from engine.errors import ModelError, StemweaveError

PACKAGES = (
    "stemweave", "torch", "torchaudio", "numpy", "onnxruntime-gpu", "onnxruntime", "pyzmq", "python-osc", "zeroconf",
    "sounddevice", "soundfile", "soxr",
)  # fmt: skip
AGAIN = "in stemweave's folder: pip install -e ."
PATIENCE = 5.0  # seconds a server on this machine may take to answer: it may be busy

IDENTITY = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x02\x10\r"
)
"""The smallest ONNX model, y = x: enough to see which providers start."""

Outcome = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """outcome: "ok", "warning" (something is missing that the main job does without) or "problem" (it does not)."""

    check: str
    outcome: Outcome
    found: str
    remedy: str = ""


def examine(port: int = protocol.DEFAULT_PORT, osc_port: int = protocol.DEFAULT_OSC_PORT) -> list[Finding]:
    """All checks, in the order a person would ask. A check that fails itself is a finding too."""
    findings = [finding for check, weight in CHECKS.items() for finding in _survived(check, weight)]
    findings += _survived(lambda: ports(port, osc_port), "warning", f"port {port}")
    return findings + _survived(sound_devices, "warning")


def _survived(check: Callable[[], list[Finding]], weight: Outcome, name: str = "") -> list[Finding]:
    """The check's findings; when it cannot even be made (a half-installed library raises anything), that, as `weight` says."""
    try:
        return check()
    except Exception as error:
        name = name or check.__name__.replace("_", " ")
        return [Finding(name, weight, f"cannot be looked at: {error!r}", AGAIN)]


def versions() -> list[Finding]:
    """What is installed. The two onnxruntimes write the same files, so that the one installed last breaks the other."""
    findings = [Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
            findings.append(Finding(package, "ok", installed[package]))
        except importlib.metadata.PackageNotFoundError:
            if not package.startswith("onnxruntime"):
                findings.append(Finding(package, "problem", "not installed", AGAIN))
    if {"onnxruntime", "onnxruntime-gpu"} <= set(installed):
        findings.append(
            Finding(
                "one onnxruntime", "warning", "onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
                "pip uninstall onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu",
            )
        )  # fmt: skip
    return findings


def torch_devices() -> list[Finding]:
    """What the model can run on."""
    from engine.devices import torch_devices

    devices = torch_devices()
    remedy = (
        "No GPU that torch can use, which the main job does without. With an NVIDIA card: install its driver, then "
        "pip install --force-reinstall torch"
    )
    if len(devices) > 1:
        remedy = "The processor computes unless a job or a server is told otherwise: stemweave serve --device cuda"
    return [Finding("torch devices", "ok", ", ".join(devices), remedy)]


def torchaudio() -> list[Finding]:
    """PyPI's torchaudio for Linux is linked to CUDA, and beside a CPU-only torch part of it cannot load."""
    try:
        from engine.torchaudio_shim import extension_loaded
    except (ImportError, OSError) as error:
        return [
            Finding(
                "torchaudio works", "warning", f"cannot be imported (only the demo's pictures need it): {error}",
                "pip install --force-reinstall torchaudio",
            )
        ]  # fmt: skip
    how = (
        "with its compiled extension"
        if extension_loaded
        else "without its compiled extension (torch is a CPU-only build); not needed"
    )
    return [Finding("torchaudio works", "ok", how)]


def onnx_providers() -> list[Finding]:
    """onnxruntime lists what it was built with and falls back to the CPU in silence: only sessions tell what is there."""
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        return [
            Finding(
                "onnxruntime", "warning", f"cannot be imported: {error}",
                "pip install --force-reinstall onnxruntime-gpu (onnxruntime on macOS and ARM)",
            )
        ]  # fmt: skip
    built = onnxruntime.get_available_providers()
    usable = [name for name in built if _starts(onnxruntime, name)]
    said = [", ".join(name.removesuffix("ExecutionProvider") for name in names) or "none" for names in (built, usable)]
    return [Finding("onnxruntime", "ok" if usable else "warning", f"built for {said[0]}; usable here: {said[1]}")]


def _starts(onnxruntime, provider: str) -> bool:
    """Whether a session gets this provider when it asks for it."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _hushed(onnxruntime):
            session = onnxruntime.InferenceSession(IDENTITY, providers=[provider])
    except Exception:
        return False
    return provider in session.get_providers()


@contextlib.contextmanager
def _hushed(onnxruntime) -> Iterator[None]:
    """Without its log: what does not load is the answer here, not an error to print."""
    onnxruntime.set_default_logger_severity(4)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(2)


def backends_and_models() -> list[Finding]:
    """What can run a model, and the models there are."""
    from engine.backends import BACKENDS
    from engine.models import DEFAULT, list_models

    findings = [Finding("back ends", "ok", ", ".join(BACKENDS))]
    damaged: list[ModelError] = []
    try:
        findings.append(automatic())
        names = [card.name for card in list_models(damaged)]
    except StemweaveError as error:
        return [*findings, Finding("models", "problem", error.message, error.hint)]
    findings += [Finding("models", "warning", error.message, error.hint) for error in damaged]
    if DEFAULT in names:
        return [*findings, Finding("models", "ok", ", ".join(names))]
    return [*findings, Finding("models", "problem", f"no model called '{DEFAULT}'", AGAIN)]


def automatic() -> Finding:
    """What `--backend auto` is for the model everybody has, and why."""
    from engine.backends.auto import remembered
    from engine.cards import read_card
    from engine.models import DEFAULT, find_model

    choice = remembered(read_card(find_model(DEFAULT)), "cpu")
    if choice is None:
        return Finding("auto back end", "ok", "not measured yet: the first job does that, once")
    others = "".join(f"; {name}: {found}" for name, found in choice.others.items() if name != choice.backend)
    return Finding("auto back end", "ok", f"{choice.backend} for '{DEFAULT}' on cpu: {choice.reason}{others}")


def ports(port: int, osc_port: int) -> list[Finding]:
    """Whether a server runs or could, and who is in its way. The OSC port may well be our own server's."""
    here, ours = _server_port(port)
    osc = f"OSC port {osc_port}"
    who = owner(osc_port, "udp")
    if udp_is_free(osc_port):
        return [here, Finding(osc, "ok", "free")]
    if ours and who == owner(port):
        return [here, Finding(osc, "ok", f"the same server ({who or 'as far as can be seen'})")]
    remedy = f"Stop it, or serve elsewhere: stemweave serve --osc-port {elsewhere(osc_port)}"
    return [here, Finding(osc, "warning", f"in use by {who or 'another program'}", remedy)]


def _server_port(port: int) -> tuple[Finding, bool]:
    """(what holds the port, whether it is a stemweave server)."""
    name, who = f"port {port}", owner(port) or "another program"
    if is_free(port):
        return Finding(name, "ok", "free; no server runs (separate works in its own process)"), False
    try:
        with Client(f"tcp://127.0.0.1:{port}", PATIENCE) as client:
            welcome = client.welcome
        found = f"a stemweave server ({who}, protocol {welcome.version}, session {welcome.session[:8]})"
        return Finding(name, "ok", found), True
    except RemoteError as error:
        if error.code == VERSION:
            return Finding(
                name, "warning", f"a stemweave server of another version ({who}): {error.message}", error.hint
            ), True
    except BridgeError:
        pass  # somebody who does not speak the protocol
    remedy = f"Stop it, or serve elsewhere: stemweave serve --port {elsewhere(port)}"
    return Finding(name, "warning", f"in use by {who}, which does not answer as a stemweave server", remedy), False


def elsewhere(port: int) -> int:
    """Another port to suggest."""
    return port + 10 if port + 10 <= 65535 else port - 10


def sound_devices() -> list[Finding]:
    """Where `--play` would be heard."""
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


CHECKS: dict[Callable[[], list[Finding]], Outcome] = {
    versions: "problem",
    torch_devices: "problem",
    torchaudio: "warning",
    onnx_providers: "warning",
    backends_and_models: "problem",
}
"""Each with how much it matters when it cannot even be made."""


def verdict(findings: list[Finding]) -> int:
    """Exit code: 1 when something keeps the main job from running."""
    return int(any(finding.outcome == "problem" for finding in findings))
