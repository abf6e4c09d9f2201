"""Prompted sources through the tasks everyone uses: any number of them, known ones untouched, sums that hold."""

import dataclasses

import numpy as np
import pytest
import torch
from support.models import write_tiny_model, write_tiny_text_model

from engine.errors import PresetError
from engine.filling import perform
from engine.models import load_model
from engine.presets import load_preset
from engine.prompting import prompt
from engine.request import Request

RATE = 22050
BAND = {"bass": "fretless bass", "kit": "brush drum kit", "keys": "grand piano"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_tiny_text_model(tmp_path_factory.mktemp("models") / "text"))


def settings(name: str, **changed):
    return dataclasses.replace(load_preset(name), steps=3, resamples=1, **changed)


def tone(pitch: float, seconds: float = 0.5) -> np.ndarray:
    return 0.2 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE, dtype=np.float32)[None]


def test_as_many_sources_are_made_as_there_are_prompts(model):
    for count in (1, 2, 3):
        prompts = dict(list(BAND.items())[:count])
        made = perform(prompt(model, prompts), Request(RATE, seconds=0.5, channels=1), settings("generate"))
        assert set(made) == set(prompts)
        assert all(stem.shape == (1, RATE // 2) and np.isfinite(stem).all() and stem.any() for stem in made.values())


def test_the_prompt_decides_what_is_made_and_the_whole_ties_the_sources(model):
    def make(prompts, **settings_of_prompt):
        request = Request(RATE, seconds=0.5, channels=1)
        return perform(prompt(model, prompts, **settings_of_prompt), request, settings("generate"))

    alone = make({"bass": "harpsichord", "keys": "grand piano"}, coherent=False)
    other = make({"bass": "harpsichord", "keys": "slap bass"}, coherent=False)
    tied, retied = (make({"bass": "harpsichord", "keys": "grand piano"}, whole=w) for w in ("jazz", "metal"))
    assert np.array_equal(alone["bass"], other["bass"])  # sources that know nothing of each other
    assert not np.allclose(alone["keys"], other["keys"])
    assert not np.allclose(tied["bass"], alone["bass"])
    assert not np.allclose(tied["bass"], retied["bass"])


def test_an_accompaniment_leaves_the_given_stem_as_it_is_to_the_bit(model):
    given = tone(110)
    made = perform(prompt(model, BAND), Request(RATE, {"bass": given}), settings("accompany"))
    assert np.array_equal(made["bass"], given)
    assert made["kit"].any()


def test_the_text_dirac_separator_s_stems_add_up_to_the_mixture(model):
    mixture = tone(110) + tone(1000)
    found = perform(prompt(model, BAND, coherent=False), Request(RATE, mixture=mixture), settings("separate-dirac"))
    total = sum(found[name] for name in BAND)
    np.testing.assert_allclose(total + found["residual"], mixture, atol=1e-5)
    assert np.abs(found["residual"]).max() < 1e-4


def test_infill_by_the_gradient_through_coupled_sources(model):
    stems = {name: tone(pitch) for name, pitch in zip(BAND, (110, 220, 440), strict=True)}
    made = perform(prompt(model, BAND), Request(RATE, stems, start=0.2, stop=0.3), settings("infill"))
    hole = slice(round(0.2 * RATE), round(0.3 * RATE))
    for name, stem in stems.items():
        kept, filled = np.delete(made[name], np.r_[hole], 1), made[name][:, hole]
        assert np.array_equal(kept, np.delete(stem, np.r_[hole], 1))
        assert np.isfinite(filled).all()


def test_a_batch_is_denoised_item_by_item(model):
    denoiser = prompt(model, BAND).denoiser
    x, sigma = 0.1 * torch.randn(2, 3, 4000), torch.tensor([0.05, 0.5])
    both = denoiser(x, sigma)
    for index in range(2):
        one = denoiser(x[index : index + 1], sigma[index : index + 1])
        torch.testing.assert_close(both[index : index + 1], one, rtol=1e-4, atol=1e-6)


def test_a_request_s_prompts_name_the_sources_and_others_are_called_by_their_names(model):
    request = Request(RATE, {"slap-bass": tone(110)}, prompts={"kit": "brush drum kit"}, mixture_prompt="jazz")
    made = perform(model, request, settings("accompany"))
    by_hand = prompt(model, {"kit": "brush drum kit", "slap-bass": "slap bass"}, "jazz")
    expected = perform(by_hand, Request(RATE, {"slap-bass": tone(110)}), settings("accompany"))
    assert list(made) == list(expected) == ["kit", "slap-bass"]
    assert np.array_equal(made["kit"], expected["kit"])


def test_a_mixture_that_is_given_ties_the_sources_unless_something_is_said_of_it(model):
    def stems(model, **said):
        request = Request(RATE, mixture=tone(110) + tone(1000), **said)
        return perform(model, request, settings("separate-dirac"))["bass"]

    alone, tied = (prompt(model, dict(sorted(BAND.items())), "jazz", coherent=flag) for flag in (False, True))
    assert np.array_equal(stems(model, prompts=BAND), stems(alone))
    assert np.array_equal(stems(model, prompts=BAND, mixture_prompt="jazz"), stems(tied))


def test_only_torch_follows_prompts(model):
    other = dataclasses.replace(model, denoiser=lambda x, sigma, conditioning=None: x)
    with pytest.raises(PresetError, match="back end 'torch'"):
        prompt(other, BAND)


def test_bad_prompts_say_what_to_do(model, tmp_path):
    with pytest.raises(PresetError, match="no prompt"):
        prompt(model, {})
    with pytest.raises(PresetError, match="'keys' is empty"):
        prompt(model, {"keys": "  "})
    deaf = load_model(write_tiny_model(tmp_path / "deaf"))
    with pytest.raises(PresetError, match="does not understand prompts"):
        prompt(deaf, BAND)
