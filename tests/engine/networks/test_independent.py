"""Independent single-source models as one: each hears its own source alone, and the samplers take them as any other."""

import dataclasses

import numpy as np
import pytest
import torch

from engine.cards import read_card, write_model_folder
from engine.denoiser import ModelSpec
from engine.errors import ModelError
from engine.models import combine_models, load_model
from engine.networks import build
from engine.pipeline import separate
from engine.presets import load_preset

SMALL = {
    "channels": 16, "patch_factor": 4, "multipliers": [1, 2], "factors": [2], "num_blocks": [1], "attentions": [False],
    "resnet_groups": 4, "use_attention_bottleneck": False,
}  # fmt: skip


@pytest.fixture
def singles(tmp_path):
    """Two models of one source each, random weights."""
    cards = []
    for seed, name in enumerate(("bass", "drums")):
        spec = ModelSpec((name,), 22050, 16384, 0.2, length_multiple=64)
        torch.manual_seed(seed)
        network = build("msdm_unet", SMALL, spec)
        cards.append(read_card(write_model_folder(tmp_path / name, spec, "msdm_unet", SMALL, network.state_dict(), {})))
    return cards


def test_each_source_is_what_its_own_model_makes_of_it(singles, tmp_path):
    both = load_model(combine_models(singles, tmp_path / "both"))
    x, sigma = torch.randn(2, 2, 4096), torch.tensor([0.1, 1.0])
    with torch.inference_mode():
        made = both.denoiser(x, sigma)
        for row, card in enumerate(singles):
            torch.testing.assert_close(
                made[:, row : row + 1], load_model(card.folder).denoiser(x[:, row : row + 1], sigma)
            )


def test_a_mixture_is_separated_by_them(singles, tmp_path):
    both = load_model(combine_models(singles, tmp_path / "both"))
    song = 0.1 * np.random.default_rng(0).standard_normal((1, 22050)).astype(np.float32)
    preset = dataclasses.replace(load_preset("separate-dirac"), steps=3)
    stems = separate(both, song, 22050, preset)
    np.testing.assert_allclose(stems["bass"] + stems["drums"], song, atol=1e-4)


def test_what_does_not_fit_together_is_refused(singles, tmp_path):
    with pytest.raises(ModelError, match="same source"):
        combine_models([singles[0], singles[0]], tmp_path / "x")
    other = dataclasses.replace(singles[1], spec=dataclasses.replace(singles[1].spec, sample_rate=44100))
    with pytest.raises(ModelError, match="cannot stand beside"):
        combine_models([singles[0], other], tmp_path / "x")
    combine_models(singles, tmp_path / "both")
    with pytest.raises(ModelError, match="already"):
        combine_models(singles, tmp_path / "both")
