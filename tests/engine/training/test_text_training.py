"""A text model trained on sums and sentences: it learns which words sound how, and leaves a model that takes prompts."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from support.models import TINY

from engine.denoiser import Conditioning
from engine.errors import DataError
from engine.filling import perform
from engine.models import load_model
from engine.presets import load_preset
from engine.prompting import prompt
from engine.request import Request
from engine.training import read_config, train
from engine.training.line_ups import LineUps

RATE = 8000
PITCH = {"bass": 110, "drums": 3000, "guitar": 700, "piano": 1500}
PROGRAMS = {"bass": 33, "drums": 0, "guitar": 25, "piano": 0}


@pytest.fixture
def config(tmp_path):
    """Two songs of four tones far apart, with what plays written down."""
    time = np.arange(3 * RATE) / RATE
    for song in range(2):
        folder = tmp_path / "data" / f"Track{song:05d}"
        folder.mkdir(parents=True)
        for source, pitch in PITCH.items():
            tone = 0.2 * np.sin(2 * np.pi * pitch * 2 ** (song / 12) * time)
            soundfile.write(folder / f"{source}.wav", np.stack([tone, tone], 1), RATE)
        (folder / "track.json").write_text(json.dumps({"programs": PROGRAMS, "style": "funk", "tempo_bpm": 100}))
    path = tmp_path / "config.toml"
    arguments = ", ".join(f"{key} = {value}" for key, value in TINY.items())
    path.write_text(
        f'name = "tones"\nnetwork = "text_gaussian"\ntext = "words"\ndata = ["data"]\nsample_rate = {RATE}\n'
        f"seconds = 0.5\nbatch = 8\nsteps = 150\nwarmup = 3\nrate = 5e-3\ncheckpoint = 50\nbf16 = false\nema = 0.9\n"
        f"arguments = {{ {arguments} }}\n"
    )
    return path


def test_words_come_to_mean_sounds_though_mostly_sums_were_heard(config, tmp_path):
    config.write_text(config.read_text() + "solo = 0.2\n")
    losses = []
    model = load_model(train(config, tmp_path / "run", lambda state: losses.append(state["loss"])))
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:20])
    assert (model.spec.sources, model.spec.text) == (("recording",), "words")
    pitch = {}
    for source, text in {"bass": "bassline", "drums": "drum kit", "piano": "keys"}.items():
        preset = dataclasses.replace(load_preset("generate"), steps=20, sigma_max=2.0, likelihood="gaussian")
        made = perform(prompt(model, {source: text}), Request(RATE, seconds=1, channels=1), preset)[source]
        power = np.abs(np.fft.rfft(made[0])) ** 2
        pitch[source] = float((power * np.arange(len(power))).sum() / power.sum())
    assert pitch["bass"] < pitch["piano"] < pitch["drums"]


def test_examples_are_sums_with_sentences_and_the_same_for_the_same_step(config):
    examples = LineUps(read_config(config))
    first, again, other = examples.batch(5), examples.batch(5), examples.batch(6)
    assert first.clean.shape == (8, 1, RATE // 2)
    assert torch.equal(first.clean, again.clean)
    assert torch.equal(first.text, again.text)
    assert not torch.equal(first.clean, other.clean)
    untold = sum(int((examples.batch(step).text.norm(dim=1) == 0).sum()) for step in range(40))
    assert 20 < untold < 80  # 15 % of 320


def test_tracks_of_one_name_in_two_folders_have_sentences_of_their_own(config, tmp_path):
    """Of the second folder a lone bass is left."""
    shutil.copytree(tmp_path / "data", tmp_path / "more")
    for folder in (tmp_path / "more").iterdir():
        for source in ("drums", "guitar", "piano"):
            (folder / f"{source}.wav").unlink()
        (folder / "track.json").write_text(json.dumps({"programs": PROGRAMS, "style": "waltz", "tempo_bpm": 100}))
    config.write_text(config.read_text().replace('["data"]', '["data", "more"]'))
    examples, heard = LineUps(read_config(config)), []
    examples.encode = lambda sentences: heard.extend(sentences) or torch.zeros(len(sentences), 1)
    for step in range(10):
        examples.batch(step)
    funk, waltz = ([sentence for sentence in heard if style in sentence] for style in ("funk", "waltz"))
    assert any("drum" in sentence for sentence in funk)
    assert waltz
    assert not any("drum" in sentence for sentence in waltz)


def test_a_text_is_heard_by_the_trained_network_s_own_seam(config, tmp_path):
    config.write_text(config.read_text().replace("steps = 150", "steps = 60"))
    model = load_model(train(config, tmp_path / "run"))
    encode = LineUps(read_config(config)).encode
    x = 0.5 * torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    bass, drums = (model.denoiser(x, torch.tensor(0.5), Conditioning(text=encode([t]))) for t in ("bass", "drums"))
    assert not torch.allclose(bass, drums)


def test_tracks_without_their_notes_are_refused(config, tmp_path):
    (tmp_path / "data" / "Track00001" / "track.json").unlink()
    with pytest.raises(DataError, match="data render"):
        train(config, tmp_path / "run")
