"""Memory that does not do for a whole batch: it is halved until it does, and neither stems nor progress show it."""

import dataclasses

import numpy as np
import pytest
import torch
from support.models import write_tiny_model

from engine.errors import Cancelled, ResourceError
from engine.models import Model, load_model
from engine.pipeline import separate
from engine.presets import load_preset

SONG = np.random.default_rng(1).standard_normal((2, 200_000)).astype(np.float32) / 10
PRESET = load_preset("separate-dirac", steps=2, batch=8)
SAID = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Model:
    return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


def cramped(model: Model, most: int, error: BaseException) -> tuple[Model, list[int]]:
    """The model, with memory for `most` items, at the second step of a batch; and the batches that were asked of it."""
    batches: list[int] = []

    def denoiser(x, sigma, conditioning=None):
        batches.append(x.shape[0])
        if x.shape[0] > most and batches.count(x.shape[0]) % 2 == 0:
            raise error
        return model.denoiser(x, sigma, conditioning)

    return dataclasses.replace(model, denoiser=denoiser), batches


@pytest.mark.parametrize("error", SAID, ids=lambda error: type(error).__name__)
def test_a_batch_that_is_too_large_is_halved_and_the_stems_are_the_same(tiny, error):
    plain = separate(tiny, SONG, 44_100, PRESET)
    model, batches = cramped(tiny, 2, error)
    told: list[float] = []
    stems = separate(model, SONG, 44_100, PRESET, on_progress=told.append)
    assert {8, 4, 2} <= set(batches)
    for name, stem in stems.items():
        np.testing.assert_allclose(stem, plain[name], atol=1e-4)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_what_does_not_fit_at_all_is_an_error_with_words(tiny):
    with pytest.raises(ResourceError, match="not enough memory"):
        separate(cramped(tiny, 0, MemoryError())[0], SONG[:, :20_000], 44_100, PRESET)


def test_other_errors_and_a_cancel_are_passed_on(tiny):
    for error, kind in ((RuntimeError("a fault"), RuntimeError), (Cancelled(), Cancelled)):
        with pytest.raises(kind):
            separate(cramped(tiny, 0, error)[0], SONG, 44_100, PRESET)
