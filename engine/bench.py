"""Benchmarks: medians over rounds that take turns, so that a noisy machine disturbs all rows alike."""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from engine.audio import read_audio
from engine.backends import BACKENDS, runs_on
from engine.cards import Card, read_card
from engine.errors import StemweaveError
from engine.evaluation import si_sdr
from engine.export import agreement, relative_error
from engine.models import DEFAULT, Model, find_model, load_model
from engine.networks.core import core_inputs, core_of, probe
from engine.pipeline import separate
from engine.presets import load_preset
from presets import DEMO

STEPS = (1, 2, 4, 8)
REFERENCE = "torch"
PLAIN = "torch as it comes"
MATMUL = {"cpu": 2048, "cuda": 8192}  # rows of the square matrices whose product is the ceiling
NOT_MEASURED = "not measured"


def turns(tried: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, list[float]]:
    """Seconds of each, to its end on the device, `rounds` times, one after the other in every round."""
    times: dict[Any, list[float]] = {name: [] for name in tried}
    for _ in range(rounds):
        for name, run in tried.items():
            started = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - started)
    return times


def demo_stems() -> tuple[dict[str, np.ndarray], int]:
    """True stems of the demo song by source, (channels, frames), and their sample rate."""
    audio = {path.stem: read_audio(path) for path in sorted(DEMO.glob("*.flac"))}
    return {name: stem.samples for name, stem in audio.items()}, next(iter(audio.values())).sample_rate


def bench_separate(rounds: int = 3) -> list[dict[str, Any]]:
    """Real-time factor of the default preset on the demo song (44.1 kHz stereo), at several numbers of steps."""
    presets = {steps: load_preset(steps=steps) for steps in STEPS}
    model = load_model(presets[1].model, presets[1].device, presets[1].backend)
    stems, rate = demo_stems()
    mixture = np.stack(list(stems.values())).sum(0)
    separate(model, mixture[:, : 2 * rate], rate, presets[1])  # the first call pays for what is only paid once
    times = turns({steps: partial(separate, model, mixture, rate, p) for steps, p in presets.items()}, rounds)
    factors = {steps: statistics.median(seconds) * rate / mixture.shape[1] for steps, seconds in times.items()}
    return [
        {
            "preset": preset.name,
            "backend": model.backend,
            "steps": steps,
            "calls": preset.calls,
            "real_time_factor": factors[steps],
            "ratio": factors[steps] / factors[1],
        }
        for steps, preset in presets.items()
    ]


def bench_denoiser(model: str = DEFAULT, rounds: int = 5) -> list[dict[str, Any]]:
    """A row for each back end on the processor and on a GPU: time of one call on two chunks, against eager torch and against the
    largest matrix product measured between the calls, and what its stems lose. "not measured" where there is no GPU.

    Eager torch on the processor is one "as it comes", in a process of its own; ours keep their memory, the back end torch too.
    milliseconds, ratio: medians over rounds (ratio: eager torch's time over this one's in the same round). network_ratio: the same
    of the network alone, given the batch at once, without transform and closed form. ceiling: the share of the
    measured product's speed, the best of each, in the back end's own precision (eight bits: bfloat16's). agreement_db: how far the
    difference of the estimates lies under them. stems_db, loss_db: SI-SDR of the demo's stems against torch's, and by how much
    their SI-SDR against the true ones falls (mean over sources); not there for a model that does not separate them.
    """
    rows = _denoiser_rows(model, "cpu", rounds)
    if torch.cuda.is_available():
        return rows + _denoiser_rows(model, "cuda", rounds)
    return rows + [{"device": "cuda", "backend": name, "found": NOT_MEASURED} for name in BACKENDS]


@torch.no_grad()
def _denoiser_rows(name: str, device: str, rounds: int) -> list[dict[str, Any]]:
    card = read_card(find_model(name))
    given = probe(card.spec, 2, card.spec.chunk, device=device)
    models, failed = _loaded(card.folder, device, given)
    with FlopCounterMode(display=False) as counter:
        wanted = models[REFERENCE].denoiser(*given)
    products = {str(dtype): matrix_product(device, dtype) for dtype in (torch.float32, torch.bfloat16)}
    calls = {backend: whole_call(model.denoiser, given) for backend, model in models.items()}
    inputs = core_inputs(load_model(card.folder, device).denoiser, given)
    cores = {("core", backend): whole_call(core_of(model.denoiser), inputs) for backend, model in models.items()}
    with plain_torch(card, device) as plain:
        times = turns(plain | calls | cores | products, rounds)
    operations = counter.get_total_flops()
    ceilings = {dtype: 2 * MATMUL[device] ** 3 / min(times[dtype]) for dtype in products}
    stems = _stems(models)
    reference, rows = PLAIN if plain else REFERENCE, []
    for backend in ([PLAIN] if plain else []) + list(models):
        dtype = str(torch.bfloat16 if backend.endswith(("bf16", "int8")) else torch.float32)
        seconds = times[backend]
        ours = backend not in (PLAIN, REFERENCE)
        agrees = {"agreement_db": agreement(models[backend].denoiser(*given), wanted)} if ours else {}
        rows.append({
            "device": device, "backend": backend, "found": "measured", "milliseconds": 1000 * statistics.median(seconds),
            "ratio": ratio(times[reference], seconds), "network_ratio": ratio(times["core", reference], times["core", backend]),
            "gigaflops": operations / min(seconds) / 1e9, "ceiling": operations / min(seconds) / ceilings[dtype],
            **agrees, **stems.get(backend, {}),
        })  # fmt: skip
    return rows + [{"device": device, "backend": backend, "found": why} for backend, why in failed.items()]


@contextmanager
def plain_torch(card: Card, device: str) -> Iterator[dict[Any, Callable[[], Any]]]:
    """Calls of eager torch in a process of its own, to which `load_model` has done nothing: the whole one by PLAIN, that of the
    network alone by ("core", PLAIN). Empty for a GPU, where `load_model` does nothing."""
    if device != "cpu":
        yield {}
        return
    with ProcessPoolExecutor(1, get_context("spawn"), _open_plain, (card, torch.get_num_threads())) as process:

        def call(key: Any) -> None:
            process.submit(_call_plain, key).result()

        calls: dict[Any, Callable[[], Any]] = {key: partial(call, key) for key in (PLAIN, ("core", PLAIN))}
        for each in 2 * list(calls.values()):
            each()  # unpaid, as ours
        yield calls


_plain: dict[Any, Callable[[], Any]] = {}


@torch.no_grad()
def _open_plain(card: Card, threads: int) -> None:
    torch.set_num_threads(threads)
    denoiser, given = BACKENDS[REFERENCE](card, "cpu"), probe(card.spec, 2, card.spec.chunk)
    _plain[PLAIN] = whole_call(denoiser, given)
    _plain["core", PLAIN] = whole_call(core_of(denoiser), core_inputs(denoiser, given))


@torch.no_grad()
def _call_plain(key: Any) -> None:
    _plain[key]()


def bench_guidance(model: str = DEFAULT, rounds: int = 5) -> list[dict[str, Any]]:
    """What guidance asks of the network, a call and the product of a vector with its Jacobian: by torch's autograd, as guidance
    does it, and by one graph of both, traced by `make_fx`, of which autograd is no part.

    milliseconds: medians, ratio: autograd's over this one's in the same round. error: of the product, relative to autograd's.
    """
    card = read_card(find_model(model))
    denoiser = load_model(card.folder).denoiser
    inputs = core_inputs(denoiser, probe(card.spec, 1, card.spec.chunk))
    core, given = core_of(denoiser).requires_grad_(False), (*inputs, torch.randn_like(core_of(denoiser)(*inputs)))

    def autograd(x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(core(x, *others[:-1]), x, others[-1])[0]

    with torch.backends.mkldnn.flags(enabled=False):  # whose LSTM keeps what a graph cannot: traced as its single steps
        graph = make_fx(autograd)(*given)
    tried = {
        "the call alone": whole_call(core, inputs),
        "autograd": whole_call(autograd, given),
        "graph": whole_call(graph, given),
    }
    with torch.no_grad():
        wanted, found = autograd(*given), graph(*given)
        times = turns(tried, rounds)
    return [
        {
            "way": way, "milliseconds": 1000 * statistics.median(seconds), "ratio": ratio(times["autograd"], seconds),
            "error": relative_error(found, wanted) if way == "graph" else None,
        }
        for way, seconds in times.items()
    ]  # fmt: skip


def _loaded(folder: Any, device: str, given: tuple) -> tuple[dict[str, Model], dict[str, str]]:
    """Models by back end, called twice for what is only paid once, and why others could not be."""
    models, failed = {}, {}
    for backend in [name for name in BACKENDS if runs_on(name, device)]:
        try:
            models[backend] = load_model(folder, device, backend)
            for _ in range(2):
                models[backend].denoiser(*given)
        except StemweaveError as error:
            failed[backend] = str(error)
    return models, failed


def ratio(reference: list[float], own: list[float]) -> float:
    """How many times as fast as the reference: the median over rounds, each of which is one on the same machine's mood."""
    return statistics.median(theirs / ours for theirs, ours in zip(reference, own, strict=True))


def whole_call(run: Callable[..., torch.Tensor], given: tuple) -> Callable[[], Any]:
    """run(*given), to its end on the device."""
    return lambda: run(*given).flatten()[0].item()


def matrix_product(device: str, dtype: torch.dtype) -> Callable[[], Any]:
    """The product of two of MATMUL's matrices, to its end: the ceiling."""
    matrix = torch.randn(MATMUL[device], MATMUL[device], device=device, dtype=dtype)
    return lambda: (matrix @ matrix)[0, 0].item()


def _stems(models: dict[str, Model]) -> dict[str, dict[str, float]]:
    """What each back end's stems of the demo song are worth: see bench_denoiser. Empty for a model of other sources."""
    true, rate = demo_stems()
    spec = models[REFERENCE].spec
    if set(spec.sources) != set(true) or not spec.conditional:
        return {}
    mixture = np.stack(list(true.values())).sum(0)
    found = {backend: separate(model, mixture, rate, load_preset()) for backend, model in models.items()}

    def quality(backend: str) -> float:
        return float(np.mean([si_sdr(found[backend][source], true[source]) for source in true]))

    return {
        backend: {
            "stems_db": float(np.mean([si_sdr(stems[source], found[REFERENCE][source]) for source in true])),
            "loss_db": quality(REFERENCE) - quality(backend),
        }
        for backend, stems in found.items()
        if backend != REFERENCE
    }
