"""What is promised of the embedded model: seams below hearing, sums kept, by the conditional and by the zero-shot path; every
task runs."""

import dataclasses

import numpy as np
import pytest

from engine.audio import read_audio
from engine.evaluation import si_sdr
from engine.evaluation.figures import examples
from engine.filling import perform
from engine.models import Model, load_model
from engine.pipeline import separate
from engine.presets import load_preset
from engine.tasks import TASKS
from presets import DEMO

SOURCES = ("bass", "drums", "guitar", "piano")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def stems() -> dict[str, np.ndarray]:
    """The middle ten seconds of the demo song's true stems, mono."""
    return {
        name: read_audio(DEMO / f"{name}.flac").samples.mean(0, keepdims=True)[:, 220500:661500] for name in SOURCES
    }


def test_chunked_is_unchunked_to_within_the_tolerance(model, stems):
    """Ten seconds in two chunks against one: the network hears other contexts (its bottom hears a whole chunk), so stems differ, by
    what is 15 dB under each and costs less than half a decibel. With a denoiser that hears no context the two are equal: see
    test_pipeline.py."""
    mixture = np.sum(list(stems.values()), axis=0)
    whole = dataclasses.replace(model.card, spec=dataclasses.replace(model.spec, chunk=10**6))
    chunked = separate(model, mixture, 44100, load_preset())
    unchunked = separate(Model(whole, model.denoiser, "cpu"), mixture, 44100, load_preset())
    for name in SOURCES:
        assert si_sdr(chunked[name], unchunked[name]) > 15, name
        assert abs(si_sdr(chunked[name], stems[name]) - si_sdr(unchunked[name], stems[name])) < 0.5, name


def test_the_zero_shot_posterior_keeps_the_sum_and_the_level(model, stems):
    """Dirac on the embedded prior, which hears no mixture. How well it separates is measured, not promised: see the README."""
    mixture = np.sum(list(stems.values()), axis=0)[:, : 2 * 44100]
    found = separate(model, mixture, 44100, load_preset("separate-zero-shot"))
    np.testing.assert_allclose(sum(found[name] for name in SOURCES), mixture, atol=1e-4)
    loudest = max(float(np.sqrt(np.mean(found[name] ** 2))) for name in SOURCES)
    assert loudest < 2 * float(np.sqrt(np.mean(mixture**2)))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_by_its_own_preset_and_keeps_what_is_known(model, stems, task):
    """Two steps of each preset: what is asked for sounds, at no more than ten times the song's level, and the rest is as it was."""
    request = examples(stems, 44100, length=1.2)[task]
    preset = dataclasses.replace(load_preset(task), steps=2, resamples=1)
    grid = TASKS[task](request, model.spec)
    made = perform(model, request, preset)
    for name, known, mask in zip(SOURCES, grid.known, grid.mask, strict=True):
        assert made[name].shape == known.shape
        assert np.array_equal(made[name][:, mask], known[:, mask])
    wanted = np.stack([made[name] for name in SOURCES])[~np.broadcast_to(grid.mask[:, None], grid.known.shape)]
    assert 1e-5 < float(np.sqrt(np.mean(wanted**2))) < 1.0
    if grid.mixture is not None:
        np.testing.assert_allclose(sum(made.values()), grid.mixture, atol=1e-5)
