"""Beside the authors' way: the network and sampler of the package the paper used, one chunk after the other, against ours on the
very same weights. What counts is the time of one chunk and call, so that nothing is won by fewer calls."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.backends.eager import eager, eager_bf16
from engine.bench.rounds import turns
from engine.cards import Card, read_card, write_model_folder
from engine.denoiser import Denoiser, ModelSpec
from engine.diffusion.noise import Noise
from engine.diffusion.samplers import CALLS, SAMPLERS, Options
from engine.diffusion.schedules import karras
from engine.errors import ModelError
from engine.export import agreement, write_core
from engine.formats import FORMATS
from engine.networks.core import replace_core

SOURCES = ("bass", "drums", "guitar", "piano")
SIZE = {
    "channels": 64, "patch_factor": 16, "multipliers": [1, 2, 4, 4], "factors": [4, 4, 4], "num_blocks": [2, 2, 2],
    "attentions": [False, False, True], "attention_heads": 4, "attention_features": 32, "attention_multiplier": 2,
}  # fmt: skip
"""The paper's network at a quarter of its width and half its depth: all of its 405 million weights are too many for a processor."""
LENGTH, CHUNKS, STEPS = 32768, 4, 3
LOWEST, HIGHEST = 1e-4, 1.0  # sigmas, the paper's
SIGMA_DATA = 0.2


@torch.no_grad()
def bench_peers(
    rounds: int = 3, size: dict[str, Any] = SIZE, length: int = LENGTH, device: str = "cpu"
) -> list[dict[str, Any]]:
    """Rows of milliseconds a chunk and call, the fastest of the rounds (what else the machine does only ever adds), and how many
    times as fast as theirs that is. Random weights, the same for all; agreement_db: of one call with one of theirs. One row where
    their package is not installed, which says so."""
    try:
        theirs = _theirs(size).to(device)
    except ModelError as error:
        return [{"way": "their package", "found": str(error)}]
    with tempfile.TemporaryDirectory(prefix="stemweave-") as folder:
        ours = _ours(card_of(Path(folder) / "peer", theirs.unet.state_dict(), size, length), device)
    noise = torch.randn(CHUNKS, len(SOURCES), length, generator=torch.Generator().manual_seed(0)).to(device)
    ways: dict[str, Callable[[], Any]] = {
        "their package, chunk after chunk": lambda: [_sample_theirs(theirs, chunk) for chunk in noise.split(1)],
        "ours, chunk after chunk, torch": lambda: [_sample(ours["torch"], chunk) for chunk in noise.split(1)],
    }
    ways |= {f"ours, chunks together, {name}": _together(ours[name], noise) for name in ours}
    calls = {name: CHUNKS * CALLS["heun"](STEPS, 1) for name in ways}
    first = next(iter(ways))
    calls[first] = CHUNKS * 2 * (STEPS - 1)  # theirs ends a level before 0
    given = SIGMA_DATA * noise[:1], torch.tensor([SIGMA_DATA], device=device)
    wanted = theirs.diffusion.denoise_fn(given[0], sigmas=given[1])
    for denoiser in ours.values():
        denoiser(*given)
    times = turns(ways, rounds)
    each = {name: min(times[name]) / calls[name] for name in ways}
    quality = {f"ours, chunks together, {name}": agreement(ours[name](*given), wanted) for name in ours}
    return [
        {
            "way": name, "found": "measured", "milliseconds": 1000 * seconds, "ratio": each[first] / seconds,
            "agreement_db": quality.get(name),
        }
        for name, seconds in each.items()
    ]  # fmt: skip


def _theirs(size: dict[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from audio_diffusion_pytorch import AudioDiffusionModel
    except ImportError as error:
        hint = "pip install 'audio-diffusion-pytorch==0.0.43'"
        raise ModelError("The package of the paper's network is not installed.", hint) from error
    torch.manual_seed(0)
    return AudioDiffusionModel(in_channels=len(SOURCES), patch_blocks=1, diffusion_sigma_data=SIGMA_DATA, **size).eval()


def spec_of(length: int) -> ModelSpec:
    return ModelSpec(SOURCES, 22050, length, SIGMA_DATA, length_multiple=8192)


def card_of(folder: Path, weights: dict[str, Tensor], size: dict[str, Any], length: int) -> Card:
    """Weights of the paper's network as a model folder of ours."""
    return read_card(
        write_model_folder(folder, spec_of(length), "msdm_unet", size, weights, {"title": "random weights"})
    )


def exported_beside(card: Card, device: str, format: str, precision: str) -> Denoiser:
    """The card's, its core exported to a new folder in the card's and run from there, for nobody wants it again."""
    denoiser, folder = eager(card, device), Path(tempfile.mkdtemp(dir=card.folder))
    path = folder / f"{precision}{FORMATS[format].suffix}"
    write_core(card, denoiser, format, precision, path)
    return replace_core(denoiser, FORMATS[format].open(path, device)[0])


def _ours(card: Card, device: str) -> dict[str, Denoiser]:
    """By the names of BACKENDS."""
    found = {"torch": eager(card, device), "torch-bf16": eager_bf16(card, device)}
    for name, format, precision in (
        ("torchscript", "torchscript", "fp32"),
        ("torchscript-bf16", "torchscript", "bf16"),
        ("onnxruntime", "onnx", "fp32"),
    ):
        found[name] = exported_beside(card, device, format, precision)
    return found


def _sample_theirs(theirs: Any, noise: Tensor) -> Tensor:
    from audio_diffusion_pytorch import DiffusionSampler, KarrasSampler, KarrasSchedule

    schedule = KarrasSchedule(LOWEST, HIGHEST)
    return DiffusionSampler(theirs.diffusion, sampler=KarrasSampler(), sigma_schedule=schedule)(noise, num_steps=STEPS)


def _sample(denoiser: Denoiser, noise: Tensor) -> Tensor:
    sigmas = karras(STEPS, LOWEST, HIGHEST)
    return SAMPLERS["heun"](denoiser, HIGHEST * noise, sigmas, Noise(0, [0] * len(noise)), Options(), lambda: None)


def _together(denoiser: Denoiser, noise: Tensor) -> Callable[[], Tensor]:
    return lambda: _sample(denoiser, noise)
