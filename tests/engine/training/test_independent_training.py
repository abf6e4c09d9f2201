"""Networks of one source each, trained by one run on stems from songs apart, and used by the samplers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from support.models import SOURCES, TINY_PAPER

from engine.errors import ModelError
from engine.filling import perform
from engine.models import load_model
from engine.networks import build
from engine.presets import load_preset
from engine.request import Request
from engine.training import read_config, train
from engine.training.trainer import spec_of

PRESETS = Path(__file__).parents[3] / "presets" / "training"


@pytest.fixture
def independent(config):
    text = config.read_text().replace("local_gaussian", "independent").replace("seconds = 0.5", "seconds = 0.512")
    inner = ", ".join(f"{key} = {str(value).lower()}" for key, value in TINY_PAPER.items())
    text = (
        text[: text.index("arguments")].replace("steps = 12", "steps = 30") + "remix = 1.0\nmixture = 0.0\nema = 0.5\n"
    )
    config.write_text(text + f'arguments = {{ network = "msdm_unet", arguments = {{ {inner} }} }}\n')
    return config


def test_one_run_trains_a_network_a_source_and_every_task_uses_them(independent, tmp_path):
    losses: list[float] = []
    folder = train(independent, tmp_path / "run", lambda state: losses.append(state["loss"]))
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    model = load_model(folder)
    assert model.spec.sources == SOURCES
    assert model.spec.length_multiple == 64  # of TINY_PAPER: 8 times 4 times 2
    x, sigma = 0.1 * torch.randn(1, 4, 8192), torch.tensor([0.1])
    other = x.clone()
    other[:, 2] += 0.1
    with torch.inference_mode():
        changed = (model.denoiser(x, sigma) != model.denoiser(other, sigma)).any(-1)[0]
    assert changed.tolist() == [False, False, True, False]  # none hears another

    song = 0.1 * np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32)
    dirac, accompany = (dataclasses.replace(load_preset(name), steps=2) for name in ("separate-dirac", "accompany"))
    stems = perform(model, Request(8000, mixture=song), dirac)
    np.testing.assert_allclose(sum(stems[name] for name in SOURCES), song, atol=1e-3)
    made = perform(model, Request(8000, {"bass": song}), accompany)
    assert np.array_equal(made["bass"], song)
    assert all(made[name].std() > 0 for name in SOURCES[1:])


def test_networks_that_are_no_raw_ones_are_refused(independent, tmp_path):
    text = independent.read_text()
    inner = 'arguments = { network = "open_unmix", arguments = {} }\n'
    independent.write_text(text[: text.index("arguments")] + inner)
    with pytest.raises(ModelError, match="side by side"):
        train(independent, tmp_path / "run")


@pytest.mark.parametrize("path", sorted(PRESETS.rglob("*.toml")), ids=lambda path: path.stem)
def test_every_preset_of_training_is_read_and_its_network_built(path):
    config = read_config(path)
    meta = config.network in ("msdm_unet", "independent")  # of the paper's, which weighs 1.6 GB, shapes alone
    with torch.device("meta" if meta else "cpu"):
        network = build(config.network, config.arguments, spec_of(config))
    assert sum(weight.numel() for weight in network.parameters()) > 1e5
    assert round(config.seconds * config.sample_rate) % getattr(network, "length_multiple", 1) == 0
    if path.stem == "slakh":
        assert sum(weight.numel() for weight in network.parameters()) == 405_497_700
