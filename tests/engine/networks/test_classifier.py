"""The classifier by mean spectra on noise of those spectra, and what it draws a stem towards."""

import dataclasses

import numpy as np
import pytest
import torch
from support.models import SOURCES, write_tiny_model

from engine.denoiser import Conditioning
from engine.errors import PresetError
from engine.filling import perform
from engine.models import Model, load_model
from engine.networks.classifier import classifier
from engine.presets import load_preset
from engine.request import Request

RATE = 22050


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    """Each source has its power around another band."""
    model = load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", chunk=16384))
    bands = torch.arange(64)
    for row, centre in zip(model.denoiser.mean_power, (4, 16, 28, 40), strict=True):
        row.copy_(1e-3 * torch.exp(-(((bands - centre) / 6.0) ** 2)) + 3e-5)
    return model


def noise_like(model: Model, source: str, seed: int = 0) -> torch.Tensor:
    """(1, samples): stationary Gaussian noise of the source's mean spectrum."""
    white = torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(seed))
    gain = model.denoiser.bands.spread(model.denoiser.mean_power[SOURCES.index(source)].sqrt()[:, None])
    return model.denoiser.inverse(model.denoiser.transform(white) * gain, RATE)[:, 0]


@pytest.mark.parametrize("level", [1e-2, 1.0, 30.0])
@pytest.mark.parametrize("source", SOURCES)
def test_noise_of_a_source_s_spectrum_is_called_by_its_name_at_any_level(model, source, level):
    odds = classifier(model.denoiser)(level * noise_like(model, source))[0]
    assert SOURCES[int(odds.argmax())] == source
    assert odds.max() > 2 > 0 > odds.sort().values[-2]


def test_the_odds_are_of_probabilities_that_add_up_to_one_and_have_a_slope(model):
    samples = noise_like(model, "bass").requires_grad_()
    odds = classifier(model.denoiser)(samples)
    assert float(odds.detach().double().sigmoid().sum()) == pytest.approx(1.0, abs=1e-4)
    odds[0, 1].backward()
    assert torch.isfinite(samples.grad).all()
    assert samples.grad.abs().max() > 0


@pytest.mark.parametrize("towards", ["drums", "piano"])
def test_stems_are_restyled_towards_another_source(model, towards):
    """What is made is likelier to be called so than what the same seed makes without, and what is known stays."""
    stems = {"bass": 0.1 * noise_like(model, "bass").numpy(), "guitar": 0.1 * noise_like(model, "guitar").numpy()}
    request = Request(RATE, stems, start=0.1, wanted=("guitar",))
    preset = dataclasses.replace(load_preset("restyle"), steps=8, towards=towards)
    odds = []
    for guidance in (0.0, 0.1):
        made = perform(model, request, dataclasses.replace(preset, guidance=guidance))
        assert np.array_equal(made["bass"], stems["bass"])
        heard = torch.from_numpy(made["guitar"][:, RATE // 10 :])
        odds.append(float(classifier(model.denoiser)(heard)[0, SOURCES.index(towards)]))
    assert odds[1] > odds[0] + 1


def test_a_source_the_model_lacks_or_a_model_without_spectra_is_told(model):
    request = Request(RATE, {"bass": noise_like(model, "bass").numpy()}, start=0.5)
    with pytest.raises(PresetError, match="kazoo"):
        perform(model, request, dataclasses.replace(load_preset("restyle"), towards="kazoo"))

    def plain(x: torch.Tensor, sigma: torch.Tensor, conditioning: Conditioning | None = None) -> torch.Tensor:
        return x

    other = dataclasses.replace(model, denoiser=plain)
    with pytest.raises(PresetError, match="--like"):
        perform(other, request, dataclasses.replace(load_preset("restyle"), steps=1, towards="piano"))
