"""Finished chunks: a job that is begun again computes only what is missing, and its stems are those of a run left alone."""

import numpy as np
import pytest
from support.models import SOURCES

from engine.cards import Card
from engine.denoiser import ModelSpec
from engine.errors import Cancelled
from engine.evaluation.priors import IndependentGaussians
from engine.filling import perform
from engine.finished import Finished
from engine.models import Model
from engine.presets import Preset, load_preset
from engine.request import Request

RATE = 16000
NOISE = np.random.default_rng(0).standard_normal((2, 60_000)).astype(np.float32) / 10
REQUESTS = {
    "separate-dirac": Request(48_000, mixture=NOISE),
    "accompany": Request(RATE, {"bass": NOISE[:, :20_000]}, wanted=("drums",)),
    "restyle": Request(RATE, {"bass": NOISE[:1, :20_000]}, stop=1.25, like=NOISE[:1, :9000]),
}


class Counted:
    """A denoiser that counts its calls."""

    def __init__(self):
        self.calls, self._denoiser = 0, IndependentGaussians([0.05, 0.1, 0.2, 0.1])

    def __call__(self, x, sigma, conditioning=None):
        self.calls += 1
        return self._denoiser(x, sigma, conditioning)


def made(folder, name: str, given: str = "", stop_after: int | None = None) -> tuple[dict[str, np.ndarray], int]:
    """Stems, and how often the denoiser was called for them. stop_after: calls after which the job is killed."""
    counted = Counted()
    model = Model(Card(None, ModelSpec(SOURCES, RATE, 8192, 0.05), "exact", {}), counted, "cpu")  # type: ignore[arg-type]
    sample = Finished(folder, given).sample
    stems = {}

    def killed() -> bool:
        return counted.calls == stop_after

    try:
        stems = perform(model, REQUESTS[name], preset(name), cancelled=killed, sample=sample)
    except Cancelled:
        assert stop_after
    return stems, counted.calls


def preset(name: str) -> Preset:
    return load_preset(name, steps=3, batch=2, overlap=0.1, seed=5, resamples=1)


@pytest.mark.parametrize("name", REQUESTS)
def test_what_was_finished_is_not_computed_again_and_the_stems_are_the_same(tmp_path, name):
    alone, calls = made(tmp_path / "alone", name)
    assert calls >= 3 * preset(name).calls
    for _ in range(2):  # killed in the second batch, begun again and killed in the third
        made(tmp_path / "chunks", name, stop_after=preset(name).calls + 1)
    stems, left = made(tmp_path / "chunks", name)
    assert left == calls - 2 * preset(name).calls
    assert set(stems) == set(alone)
    for source, stem in stems.items():
        np.testing.assert_array_equal(stem, alone[source])


def test_progress_goes_on_from_where_it_was(tmp_path):
    model = Model(Card(None, ModelSpec(SOURCES, RATE, 8192, 0.05), "exact", {}), Counted(), "cpu")  # type: ignore[arg-type]
    for _ in range(2):
        told: list[float] = []
        sample = Finished(tmp_path / "chunks", "").sample
        perform(model, REQUESTS["separate-dirac"], preset("separate-dirac"), on_progress=told.append, sample=sample)
        assert told == pytest.approx(np.arange(1, len(told) + 1) / len(told))


def test_chunks_of_another_preset_model_or_song_are_never_taken(tmp_path):
    _, calls = made(tmp_path, "separate-dirac", given="a model")
    assert made(tmp_path, "separate-dirac", given="another model")[1] == calls
    assert made(tmp_path, "accompany", given="a model")[1] == made(tmp_path / "new", "accompany")[1]


def test_a_damaged_chunk_is_made_again(tmp_path):
    alone, _ = made(tmp_path, "separate-dirac")
    first, second, *_ = sorted(tmp_path.iterdir())
    first.write_bytes(first.read_bytes()[:-8])
    content = bytearray(second.read_bytes())
    content[100] ^= 1
    second.write_bytes(content)
    stems, again = made(tmp_path, "separate-dirac")
    assert again == 2 * preset("separate-dirac").calls
    np.testing.assert_array_equal(stems["bass"], alone["bass"])


def test_a_folder_that_takes_nothing_costs_the_keeping_only(tmp_path):
    (tmp_path / "no folder").write_text("")
    stems, _ = made(tmp_path / "no folder", "separate-dirac")
    np.testing.assert_array_equal(stems["bass"], made(tmp_path / "chunks", "separate-dirac")[0]["bass"])
