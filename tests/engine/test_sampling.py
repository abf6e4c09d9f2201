"""Memory that does not do for a whole batch: it is cut to what does, and neither stems nor progress show it."""

import dataclasses

import numpy as np
import pytest
import torch
from support.models import write_tiny_model

from engine import memory
from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS
from engine.errors import Cancelled, ResourceError
from engine.models import Model, load_model
from engine.pipeline import separate
from engine.presets import load_preset
from engine.sampling import sample
from engine.stemgrid import StemGrid

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


def test_a_separation_may_start_on_the_way_to_wieners_filter_where_the_model_knows_spectra(tiny, monkeypatch):
    """A sampler that makes no step shows where it starts: what is known stays, the rest is a share of the filter."""
    monkeypatch.setitem(SAMPLERS, "euler", lambda denoiser, x, *_: x)
    mixture = torch.from_numpy(SONG[:, :20_000])
    known, mask = torch.zeros(2, 4, 20_000), torch.zeros(2, 4, 20_000, dtype=torch.bool)
    known[:, 2], mask[:, 2] = mixture / 3, True
    preset = load_preset("separate-zero-shot", wiener=0.7)

    def start(model: Model) -> torch.Tensor:
        return sample(model, StemGrid(known, mask, mixture), preset, Noise(0, [0, 1]), lambda: None)

    found = start(tiny)
    torch.testing.assert_close(found[:, 2], known[:, 2])
    torch.testing.assert_close(found[:, [0, 1, 3]].sum(1), 0.7 * (mixture - known[:, 2]), rtol=0, atol=1e-5)
    assert found[:, [0, 1, 3]].std(dim=2).min() > 0
    draft = torch.ones(2, 4, 20_000)
    once = sample(tiny, StemGrid(known, mask, mixture), preset, Noise(0, [0, 1]), lambda: None, draft=draft)
    other = dataclasses.replace(preset, wiener=0.0)
    torch.testing.assert_close(
        once, sample(tiny, StemGrid(known, mask, mixture), other, Noise(0, [0, 1]), lambda: None, draft=draft)
    )
    others = dataclasses.replace(tiny, denoiser=lambda x, sigma, conditioning=None: x)
    torch.testing.assert_close(start(others), known)


def test_a_draft_is_what_wanted_cells_start_from_and_known_ones_start_from_what_is_known(tiny, monkeypatch):
    monkeypatch.setitem(SAMPLERS, "euler", lambda denoiser, x, *_: x)
    known, mask = torch.zeros(1, 4, 20_000), torch.zeros(1, 4, 20_000, dtype=torch.bool)
    mask[:, 1, 5000:] = True
    known[mask] = 0.2
    preset = load_preset("regenerate", fresh=0.5, sigma_max=2.0)
    noise = 2 * preset.temperature * Noise(0, [0]).like(known)
    start = sample(tiny, StemGrid(known, mask), preset, Noise(0, [0]), lambda: None, draft=torch.full_like(known, 0.2))
    torch.testing.assert_close(start[mask], (known + noise)[mask])
    torch.testing.assert_close(start[~mask], 0.5 * noise[~mask] + 2 * 0.5 * 0.2 / tiny.spec.sigma_data)


def test_what_does_not_fit_at_all_is_an_error_with_words(tiny):
    with pytest.raises(ResourceError, match="not enough memory"):
        separate(cramped(tiny, 0, MemoryError())[0], SONG[:, :20_000], 44_100, PRESET)


def test_other_errors_and_a_cancel_are_passed_on(tiny):
    for error, kind in ((RuntimeError("a fault"), RuntimeError), (Cancelled(), Cancelled)):
        with pytest.raises(kind):
            separate(cramped(tiny, 0, error)[0], SONG, 44_100, PRESET)


class Small:
    """A GPU that is not there, of so many bytes, of which an item takes some while it is computed."""

    def __init__(self, size: int, item: int):
        self.size, self.item, self.most, self.batches = size, item, 0, []

    def denoise(self, model: Model):
        def denoiser(x, sigma, conditioning=None):
            self.batches.append(x.shape[0])
            self.most = max(self.most, x.shape[0] * self.item)
            if self.most > self.size:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return model.denoiser(x, sigma, conditioning)

        return dataclasses.replace(model, denoiser=denoiser)

    def gauge(self, device: str):
        self.most = 0
        return self

    def free(self) -> int:
        return self.size

    def taken(self) -> int:
        return self.most


@pytest.mark.parametrize(("size", "largest"), [(10_000, 8), (3_400, 3), (1_050, 1)])
def test_a_gpu_is_asked_before_a_batch_is_computed_and_never_overfilled(tiny, monkeypatch, size, largest):
    plain = separate(tiny, SONG, 44_100, PRESET)
    small = Small(size, 1_000)
    monkeypatch.setattr(memory, "gauge", small.gauge)
    told: list[float] = []
    stems = separate(small.denoise(tiny), SONG, 44_100, PRESET, on_progress=told.append)
    first, rest = small.batches[: PRESET.calls], small.batches[PRESET.calls :]
    assert set(first) == {1}  # what one takes is not known before
    assert max(rest) == min(largest, 7)
    for name, stem in stems.items():
        np.testing.assert_allclose(stem, plain[name], atol=1e-4)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_what_was_seen_once_is_asked_no_more_and_what_is_free_is_asked_anew(monkeypatch):
    denoiser, small = lambda: None, Small(5_000, 1_000)
    monkeypatch.setattr(memory, "gauge", small.gauge)
    assert memory.room(denoiser, "short", "cuda", 8) == 1
    with memory.seen(denoiser, "short", "cuda", 2):
        small.most = 2_000
    assert memory.room(denoiser, "short", "cuda", 8) == 4
    with memory.seen(denoiser, "short", "cuda", 1):
        small.most = 9_000  # also by somebody else
    small.size = 2_500  # another program came
    assert memory.room(denoiser, "short", "cuda", 8) == 2
    assert memory.room(denoiser, "long", "cuda", 8) == 1
    assert memory.room(denoiser, "short", "cuda", 1) == 1


def test_of_the_processor_nobody_asks():
    assert memory.gauge("cpu") is None
    assert memory.room(lambda: None, "any", "cpu", 8) == 8
