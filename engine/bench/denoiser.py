"""One call of the network by every back end: time, and what the stems lose."""

import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.backends import BACKENDS, runs_on
from engine.bench.rounds import MATMUL, NOT_MEASURED, demo_stems, matrix_product, ratio, turns, whole_call
from engine.cards import Card, read_card
from engine.errors import StemweaveError
from engine.evaluation import si_sdr
from engine.export import agreement
from engine.models import DEFAULT, Model, find_model, load_model
from engine.networks.core import core_inputs, core_of, probe
from engine.pipeline import separate
from engine.presets import load_preset

REFERENCE = "torch"
PLAIN = "torch as it comes"


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
