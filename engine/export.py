"""Exports: a model's core as one file other programs can run, read back and compared with torch before anybody relies on it.

There is none of the core's gradient, so guidance (infill, restyle) asks autograd wherever it runs. A graph of the product of a
vector with the Jacobian can be had by `make_fx`, and is autograd's to the last bit; but its recurrent layer is written out step by
step, so that it fits one length alone (traced with symbolic shapes it fails in torch 2.13), `torch.jit.trace`, by which files are
made here, does not take it. `stemweave bench guidance` shows how fast it is beside autograd.
"""

import hashlib
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine.cards import Card, load_network
from engine.denoiser import Denoiser
from engine.errors import ModelError, ResourceError
from engine.formats import FORMATS
from engine.networks import as_denoiser
from engine.networks.core import Rounded, core_inputs, core_of, probe, replace_core, sounds
from engine.networks.local_gaussian import HEADROOM, POWER_FLOOR, RANGE, LocalGaussian
from engine.networks.text_gaussian import TextGaussian

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 5e-2}
"""Largest relative error (of the norm) of what an export computes, beyond which it is not kept."""
LOSS = 0.1  # dB of the estimates' quality, likewise
SHAPES = ((2, 16384), (1, 16384), (3, 24576))
"""(batch, samples) that parity is tried at; it is traced at the first."""

LEVELS = {
    "x": "(batch, inputs, bands, frames), nepers, clipped at -6 and 6: of each noisy source over mean_power + sigma^2, times how "
    "far it is audible, h / (h + sigma^2), h = headroom mean_power; of the mixture over the sum of mean_power; 1 where the mixture "
    "is given, or else 0 and 0; of each source 1 where it is known (hears_known)",
    "noise": "(batch,), ln(sigma)",
    "y": "(batch, sources, bands, frames): the power of each source is mean_power exp(range tanh(y / range)) + power_floor",
}
TEXT_LEVELS = LEVELS | {
    "x": "(batch, 1, bands, frames), nepers: of the noisy signal over the spectrum that the text makes expect",
    "told": "(batch, features), what the network makes of the text before: engine/networks/text_gaussian.py",
    "y": "(batch, 1, bands, frames): ln of the power over that spectrum, before its range is limited",
}
RAW = {
    "x": "(batch, sources, samples), noisy sources over sqrt(sigma^2 + sigma_data^2)",
    "noise": "(batch,), ln(sigma) / 4",
    "y": "(batch, sources, samples): the clean sources are (x_noisy sigma_data^2 / s + y sigma sigma_data / sqrt(s)), at most full "
    "scale, with s = sigma^2 + sigma_data^2",
}
"""What the tensors are, for those who use an export without this package. The first is put to use in engine/export_alone.py."""


@dataclass(frozen=True)
class Report:
    """files: what was written. errors: relative error of the core against eager torch, by the shape of x. tolerance: its limit.
    stems_db: how far the difference of the denoised estimates lies under them, in dB, the least over items and sources.
    loss_db: by how much more than torch's the worst of them differs from the clean source, in dB.
    about: what the file says of itself."""

    files: list[Path]
    errors: dict[str, float]
    tolerance: float
    stems_db: float
    loss_db: float
    about: dict[str, Any]


def export(card: Card, format: str, precision: str, folder: Path) -> Report:
    """Write the card's core to `folder`/NAME-PRECISION.SUFFIX, read it back and compare. It appears there only when it is as
    near as TOLERANCE asks; ModelError when it is not, ResourceError when this machine cannot run it to find out."""
    if format not in FORMATS or precision not in PRECISIONS:
        known = f"Formats: {', '.join(FORMATS)}; precisions: {', '.join(PRECISIONS)}."
        raise ModelError(f"There is no export to '{format}' in '{precision}'.", known)
    if (format, precision) == ("onnx", "bf16"):
        raise ResourceError(
            "onnxruntime cannot run bf16 on a processor, so that what is written could not be compared.",
            "Use --precision fp16, or --format torchscript.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as trial:
        path = Path(trial) / f"{card.name}-{precision}{FORMATS[format].suffix}"
        denoiser = as_denoiser(load_network(card), card.spec)
        write_core(card, denoiser, format, precision, path)
        report = compare(card, denoiser, path, format, precision)
        files = [file.replace(folder / file.name) for file in sorted(Path(trial).iterdir(), reverse=True)]
    return replace(report, files=sorted(files))


def write_core(card: Card, denoiser: Denoiser, format: str, precision: str, path: Path) -> None:
    """The denoiser's core, as it stands on its device, in a file."""
    core = core_of(denoiser)
    inputs = core_inputs(denoiser, probe(card.spec, *SHAPES[0], device=next(core.parameters()).device))
    traced = core if precision == "fp32" else Rounded(core, PRECISIONS[precision])
    FORMATS[format].write(traced, inputs, path, about(card, denoiser, precision))


def about(card: Card, denoiser: Denoiser, precision: str) -> dict[str, Any]:
    """What an export says of itself: whose core it is, the SHA-256 of the weights it was made of, all of the model's spec, and what
    a program needs beside the core to denoise by it."""
    with open(card.weights, "rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    identity = {"model": card.name, "network": card.network, "precision": precision, "weights_sha256": weights}
    return identity | asdict(card.spec) | {"arguments": card.arguments} | around(denoiser)


def around(denoiser: Denoiser) -> dict[str, Any]:
    """What its core hears and says, in words, and the numbers of the transform and the closed form around it."""
    if not isinstance(denoiser, LocalGaussian):
        return {"tensors": RAW}
    return {
        "tensors": TEXT_LEVELS if isinstance(denoiser, TextGaussian) else LEVELS,
        "fft": denoiser.fft,
        "hop": denoiser.hop,
        "band_widths": [int(width) for width in denoiser.bands.width],
        "mean_power": denoiser.mean_power.tolist(),
        "headroom": HEADROOM,
        "range": RANGE,
        "power_floor": POWER_FLOOR,
    }


@torch.no_grad()
def compare(card: Card, denoiser: Denoiser, path: Path, format: str, precision: str) -> Report:
    """The file against the denoiser, which is changed. ModelError when it is further off than TOLERANCE."""
    run, said = FORMATS[format].open(path, "cpu")
    core, errors = core_of(denoiser), {}
    for batch, samples in SHAPES:
        inputs = core_inputs(denoiser, probe(card.spec, batch, samples, seed=1))
        errors["x".join(map(str, inputs[0].shape))] = relative_error(run(*inputs), core(*inputs))
    given = probe(card.spec, *SHAPES[0], seed=2)
    wanted = denoiser(*given)
    if not bool(wanted.isfinite().all()):
        raise ModelError(f"'{card.name}' computes NaN: its weights are damaged.", "Import the model again.")
    found = replace_core(denoiser, run)(*given)
    clean = sounds(card.spec, *SHAPES[0], torch.Generator().manual_seed(2))
    loss = agreement(wanted, clean) - agreement(found, clean)
    if not all(error <= TOLERANCE[precision] for error in errors.values()):  # NaN is not
        raise ModelError(
            f"The export of '{card.name}' is off by {max(errors.values()):.1e}, more than {TOLERANCE[precision]:.0e}.",
            "Use a higher precision. What was written is thrown away.",
        )
    if not loss <= LOSS:
        message = f"The estimates of '{card.name}' lose {loss:.1f} dB in {precision}, more than {LOSS}."
        raise ModelError(message, "Use a higher precision. What was written is thrown away.")
    return Report([], errors, TOLERANCE[precision], agreement(found, wanted), loss, said)


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """|found - wanted| / |wanted|, norms over everything."""
    return float((found - wanted).norm() / wanted.norm().clamp_min(1e-30))


def agreement(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """How far the difference lies under what was wanted, in dB, the least over items and sources: (batch, sources, samples)."""
    off = (found - wanted).square().sum(-1) / wanted.square().sum(-1).clamp_min(1e-30)
    return float(-10 * torch.log10(off.max().clamp_min(1e-20)))
