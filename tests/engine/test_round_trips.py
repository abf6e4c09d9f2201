"""The sampler's loop asks the device for nothing: where the processor waits for a number, a GPU stands still after each step.

Shown without a GPU, in two ways: by the reads of a tensor's value that torch's dispatcher counts, and by a loop on the device
"meta", whose tensors have no values: there each read, and each tensor that was left on the processor, is an error.
"""

import dataclasses
import itertools
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.cards import Card
from engine.denoiser import ModelSpec
from engine.devices import moved
from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS, Options
from engine.diffusion.schedules import karras
from engine.embedders import EMBEDDERS
from engine.errors import PresetError
from engine.evaluation.priors import IndependentGaussians
from engine.likelihoods import KNOWN, LIKELIHOODS, LikelihoodOptions, embedding
from engine.models import Model
from engine.presets import load_preset
from engine.sampling import sample
from engine.stemgrid import StemGrid

SHAPE = (2, 4, 8192)
DEVIATIONS = [0.05, 0.1, 0.2, 0.1]
RATE = 22050
PULLS = [*((name, None) for name in LIKELIHOODS), *((None, name) for name in KNOWN), ("dirac", "replacement")]


class Reads(TorchDispatchMode):
    """Counts how often a tensor's value is read."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.is_nonzero)
        return func(*args, **kwargs or {})


def problem(likelihood: str | None, known: str | None, device: str = "cpu") -> StemGrid:
    clean = torch.full(SHAPE, 0.1, device=device)
    mask = torch.zeros(SHAPE, dtype=torch.bool, device=device)
    if known:
        mask[:, 0, :4000] = True
    return StemGrid(clean, mask, clean.sum(1) if likelihood else None)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("likelihood", "known"), PULLS)
def test_from_the_first_step_to_the_last_no_value_is_read(sampler, likelihood, known):
    spec = ModelSpec(("bass", "drums", "guitar", "piano"), RATE, SHAPE[-1], 0.05)
    model = Model(Card(None, spec, "exact", {}), IndependentGaussians(DEVIATIONS), "cpu")  # type: ignore[arg-type]
    preset = load_preset(sampler=sampler, likelihood=likelihood, known=known, steps=4, sigma_min=1e-3)
    preset = dataclasses.replace(preset, churn=2.0, resamples=2)
    seen = []
    with torch.no_grad(), Reads() as reads:
        sample(model, problem(likelihood, known), preset, Noise(0, [0, 9]), lambda: seen.append(reads.count))
    assert len(seen) == preset.calls
    assert seen[-1] == seen[0] <= 1  # whether any cell is known
    assert reads.count == seen[-1] + 1  # whether all is finite


def test_a_read_in_the_loop_would_be_counted():
    with Reads() as reads:
        assert torch.ones(3).sum() > 0
        torch.ones(()).item()
    assert reads.count == 2


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("likelihood", "known"), PULLS)
def test_all_that_the_loop_touches_lies_on_the_device(sampler, likelihood, known):
    grid, noise, sigmas = problem(likelihood, known, "meta"), Noise(0, [0, 9]), karras(3, 1e-3, 1.0)
    steps = torch.stack([sigmas[:-1], sigmas[1:]], 1)
    options = LikelihoodOptions(noise=noise, steps=steps)
    denoiser = IndependentGaussians(DEVIATIONS)
    for name in filter(None, (known, likelihood)):
        denoiser = (KNOWN | LIKELIHOODS)[name](denoiser, grid, options)
    with torch.no_grad():
        made = SAMPLERS[sampler](denoiser, grid.known, sigmas, noise, Options(2.0, 2), lambda: None)
    assert made.is_meta


@pytest.mark.parametrize("name", ["mel", "chroma"])
def test_an_embedder_goes_where_the_sound_is(name):
    embed, grid = EMBEDDERS[name](RATE), problem(None, None, "meta")
    target = embed(torch.ones(1, SHAPE[-1]).to("meta"))
    guided = embedding(IndependentGaussians(DEVIATIONS), grid, LikelihoodOptions(embed=embed, target=target))
    assert guided(grid.known, torch.ones((), device="meta")).is_meta


def test_a_read_or_a_tensor_left_behind_would_be_an_error():
    there = torch.ones(3, device="meta")
    with pytest.raises(RuntimeError, match="meta"):
        bool(there.sum() > 0)
    with pytest.raises(RuntimeError, match="device"):
        there + torch.ones(3)


def test_what_goes_to_a_gpu_is_pinned_and_not_waited_for():
    """Told by a stand-in for a tensor, for there may be no GPU."""
    done: list[object] = []
    audio = SimpleNamespace(to=lambda device, **how: done.append((device, how)))
    audio.pin_memory = lambda: [done.append("pinned"), audio][1]
    moved(audio, "cuda:1")  # type: ignore[arg-type]
    moved(audio, "cpu")  # type: ignore[arg-type]
    assert done == ["pinned", ("cuda:1", {"non_blocking": True}), ("cpu", {})]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_calls_at_one_level_have_one_tensor(sampler):
    """By which `replacement` tells that the repeats of a step shall hear the same noise."""
    given: list[torch.Tensor] = []

    def denoiser(x, sigma, conditioning=None):
        given.append(sigma)
        return x / 2

    options = Options(resamples=3)
    SAMPLERS[sampler](denoiser, torch.ones(1, 2, 8), karras(5, 1e-3, 1.0), Noise(0, [0]), options, lambda: None)
    assert len(given) > 4
    for one, other in itertools.combinations(given, 2):
        assert (one is other) == torch.equal(one, other)


def test_guidance_that_is_not_finite_in_the_middle_is_told_at_the_end():
    spec = ModelSpec(("bass", "drums", "guitar", "piano"), RATE, SHAPE[-1], 0.05)
    model = Model(Card(None, spec, "exact", {}), IndependentGaussians(DEVIATIONS), "cpu")  # type: ignore[arg-type]
    calls: list[int] = []

    def embed(samples):
        calls.append(0)
        return samples[:, :3] * (torch.nan if len(calls) == 2 else 1)

    preset, style, told = load_preset(steps=4, sampler="euler"), (embed, torch.zeros(3)), []
    with pytest.raises(PresetError, match="NaN") as caught:
        sample(model, problem(None, None), preset, Noise(0, [0, 9]), lambda: told.append(0), style=style)
    assert "--guidance" in caught.value.hint
    assert len(told) == 4
