"""A model that is replaced while a server runs is the one that the next job gets, and that its recipe names."""

import numpy as np
import torch
from safetensors.torch import load_file
from support.models import write_tiny_model
from support.osc import Patch
from support.servers import running, song

from bridge.workers import PERFORM
from engine.audio import read_audio, write_audio
from engine.cards import Card, read_card, write_model_folder
from engine.models import load_model
from engine.pipeline import separate
from engine.presets import load_preset
from engine.recipe import read_recipe


def replaced(card: Card) -> None:
    """By other weights of the same size."""
    weights = load_file(card.weights)
    weights["mean_power"] *= torch.tensor([[9.0], [1.0], [1.0], [1.0]])
    write_model_folder(card.folder, card.spec, card.network, card.arguments, weights, card.about)


def test_the_next_job_has_the_new_weights_and_says_so(tmp_path, monkeypatch):
    card = read_card(write_tiny_model(tmp_path / "default"))
    monkeypatch.setenv("STEMWEAVE_MODELS", str(tmp_path))
    path = write_audio(tmp_path / "song.wav", song(20_000), 44_100)
    made = []
    with running(PERFORM, osc_port=0, folders=[tmp_path]) as server, Patch(server._osc.port) as patch:
        for out in (tmp_path / "before", tmp_path / "after"):
            patch.send("/separate", str(path), str(out))
            patch.hear("/job/done")
            made.append(read_audio(out / "bass.wav").samples)
            assert read_recipe(out / "bass.wav").model["sha256"] == card.digest()
            wanted = separate(load_model(card.folder), song(20_000), 44_100, load_preset())
            np.testing.assert_allclose(made[-1], wanted["bass"], atol=1e-5)
            replaced(card)
    assert not np.allclose(*made, atol=1e-3)
