"""The benchmark of a GPU: the paper's network in its full size on one chunk of 12 s, every way to run it in every precision, as a
share of the largest matrix product; too large a batch on purpose; the authors' way beside ours. Without a GPU the same runs on
the processor with a network that fits it, and the GPU's rows are "not measured"."""

import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.backends import graphs, runs_on
from engine.backends.eager import eager
from engine.bench import authors
from engine.bench.rounds import MATMUL, NOT_MEASURED, matrix_product, turns, whole_call
from engine.cards import Card
from engine.denoiser import Denoiser
from engine.diffusion.noise import Noise
from engine.export import agreement
from engine.models import Model
from engine.networks import build
from engine.networks.core import Rounded, core_inputs, core_of, probe, replace_core
from engine.presets import load_preset
from engine.sampling import sample
from engine.stemgrid import StemGrid

FULL: dict[str, Any] = {
    "channels": 256, "patch_factor": 16, "multipliers": [1, 2, 4, 4, 4, 4, 4], "factors": [4, 4, 4, 2, 2, 2],
    "num_blocks": [2] * 6, "attentions": [False, False, False, True, True, True], "attention_heads": 8,
    "attention_features": 128, "attention_multiplier": 2,
}  # fmt: skip
"""The published network: 405 million weights."""
CHUNK = 2**18  # samples, 12 s
WAYS = ("torch", "torch-graph", "torch-compiled", "onnxruntime", "aoti")
PRECISIONS = ("fp32", "tf32", "bf16")
FORMAT = {"onnxruntime": "onnx", "aoti": "aoti"}
BATCH, ROOM = 16, 3
"""Asked for at once on purpose, and how many of them memory is left for."""


def bench_gpu(
    rounds: int = 3, size: dict[str, Any] | None = None, length: int | None = None, ways: tuple[str, ...] = WAYS
) -> list[dict[str, Any]]:
    """A row for each way and precision. milliseconds: of one call on one chunk, median over rounds. ceiling: the share of the
    measured product's speed in the same precision, the best of each. ratio: eager float32's time over this one's. agreement_db: how
    far the difference from eager float32 lies under the estimates. found: "measured", or why not."""
    gpu = torch.cuda.is_available()
    device, size, length = (
        "cuda" if gpu else "cpu",
        size or (FULL if gpu else authors.SIZE),
        length or (CHUNK if gpu else authors.LENGTH),
    )
    with tempfile.TemporaryDirectory(prefix="stemweave-") as folder:
        card = _card(Path(folder) / "large", size, length)
        rows = _ways(card, device, ways, rounds)
        if gpu:
            rows.append(_too_large(card, device))
    if gpu:
        return rows + [{"device": device} | row for row in authors.bench_peers(rounds, size, length, device)]
    absent = [(way, precision) for way in WAYS for precision in PRECISIONS]
    absent += [(f"{BATCH} chunks where {ROOM} fit", ""), ("the authors' way, and ours", "")]
    return rows + [{"device": "cuda", "way": way, "precision": p, "found": NOT_MEASURED} for way, p in absent]


def _card(folder: Path, size: dict[str, Any], length: int) -> Card:
    torch.manual_seed(0)
    return authors.card_of(folder, build("msdm_unet", size, authors.spec_of(length)).state_dict(), size, length)


@torch.no_grad()
def _ways(card: Card, device: str, ways: tuple[str, ...], rounds: int) -> list[dict[str, Any]]:
    given, ready = probe(card.spec, 1, card.spec.chunk, device=device), {}
    rows: list[dict[str, Any]] = []
    reference = eager(card, device)
    with exact(True), FlopCounterMode(display=False) as counter:
        wanted = reference(*given)
    precisions = PRECISIONS if device != "cpu" else ("fp32", "bf16")
    for way, precision in itertools.product([way for way in ways if runs_on(way, device)], precisions):
        try:
            with exact(precision != "tf32"):
                denoiser = _denoiser(card, device, way, precision)
                denoiser(*given)
                quality = agreement(denoiser(*given), wanted)
            ready[way, precision] = (_in(precision, whole_call(denoiser, given)), quality)
        except Exception as error:  # what does not run here is told, and the others are measured
            rows.append(
                {"device": device, "way": way, "precision": precision, "found": str(error).strip().splitlines()[0]}
            )
    products = {
        ("product", p): _in(p, matrix_product(device, torch.bfloat16 if p == "bf16" else torch.float32))
        for p in precisions
    }
    times = turns({key: call for key, (call, _) in ready.items()} | products, rounds)
    operations = counter.get_total_flops()
    for (way, precision), (_, quality) in ready.items():
        seconds, product = times[way, precision], min(times["product", precision])
        share = operations / min(seconds) / (2 * MATMUL[device] ** 3 / product)
        rows.append({
            "device": device, "way": way, "precision": precision, "found": "measured", "ceiling": share,
            "milliseconds": 1000 * statistics.median(seconds), "agreement_db": quality,
            "ratio": statistics.median(times["torch", "fp32"]) / statistics.median(seconds),
        })  # fmt: skip
    return rows


def _denoiser(card: Card, device: str, way: str, precision: str) -> Denoiser:
    """The card's, its core run so."""
    if way in FORMAT:
        return authors.exported_beside(card, device, FORMAT[way], "bf16" if precision == "bf16" else "fp32")
    denoiser = eager(card, device)
    core = Rounded(core_of(denoiser), torch.bfloat16) if precision == "bf16" else core_of(denoiser)
    if way == "torch":
        return replace_core(denoiser, core)
    if way == "torch-graph":
        return replace_core(denoiser, graphs.Graphs(core))
    inputs = core_inputs(denoiser, probe(card.spec, 1, card.spec.chunk, device=device))
    return replace_core(denoiser, graphs.compiled_core(core, inputs))


@contextmanager
def exact(wanted: bool) -> Iterator[None]:
    """float32 products in all of their bits, or in TF32's."""
    matmul: Any = torch.backends.cuda.matmul
    convolution: Any = torch.backends.cudnn
    before = matmul.allow_tf32, convolution.allow_tf32
    try:
        matmul.allow_tf32 = convolution.allow_tf32 = not wanted
        yield
    finally:
        matmul.allow_tf32, convolution.allow_tf32 = before


def _in(precision: str, call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with exact(precision != "tf32"):
            return call()

    return run


@torch.no_grad()
def _too_large(card: Card, device: str) -> dict[str, Any]:
    """More chunks at once than memory is left for: they are to be computed all the same, in parts, and as they are one by one."""
    model, preset = Model(card, eager(card, device), device), load_preset("generate", steps=1)
    shape = (BATCH, len(card.spec.sources), card.spec.chunk)
    grid = StemGrid(torch.zeros(shape, device=device), torch.zeros(shape, dtype=torch.bool, device=device))
    noise = Noise(0, [0] * BATCH)
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    alone = sample(model, grid.items(slice(0, 1)), preset, Noise(0, [0]), lambda: None)
    room = held + ROOM * (torch.cuda.max_memory_allocated() - held)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, room / torch.cuda.get_device_properties(0).total_memory))
    try:
        found = sample(model, grid, preset, noise, lambda: None)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return {
        "device": device, "way": f"{BATCH} chunks where {ROOM} fit", "precision": "fp32", "found": "done in parts",
        "agreement_db": agreement(found[:1], alone),
    }  # fmt: skip
