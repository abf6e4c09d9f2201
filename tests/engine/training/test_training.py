"""Training: the loss falls, a killed run goes on as if nothing had happened, the model it leaves loads."""

import contextlib
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from engine.cards import WEIGHTS
from engine.errors import DataError, ModelError
from engine.models import load_model
from engine.networks import build
from engine.training import read_config, train
from engine.training.examples import BLIND, Examples
from engine.training.trainer import one_step, start_from


def losses_of(config, run, stop_after=None) -> list[float]:
    class Killed(Exception):
        pass

    found = []

    def on_step(state):
        found.append(state["loss"])
        if state["step"] == stop_after:
            raise Killed

    with contextlib.suppress(Killed):
        train(config, run, on_step)
    return found


@pytest.mark.parametrize("muon", ["", "muon = true\n"])
def test_a_stopped_run_goes_on_to_the_same_losses_and_weights(config, tmp_path, muon):
    config.write_text(muon + config.read_text())
    whole = losses_of(config, tmp_path / "whole")
    first = losses_of(config, tmp_path / "cut", stop_after=6)  # the checkpoint is of step 4
    rest = losses_of(config, tmp_path / "cut")
    assert first == whole[:6]
    assert rest == whole[4:]
    kept, resumed = (load_model(tmp_path / run / "tones").denoiser.state_dict() for run in ("whole", "cut"))
    assert all(torch.equal(kept[key], resumed[key]) for key in kept)


def test_a_stopped_run_of_a_network_with_dropout_goes_on_to_the_same_losses(config, tmp_path):
    told = re.sub("arguments = .*", "arguments = { hidden = 8, fft = 512, hop = 128 }", config.read_text())
    config.write_text(told.replace("local_gaussian", "open_unmix"))
    whole = losses_of(config, tmp_path / "whole")
    assert losses_of(config, tmp_path / "cut", stop_after=6) == whole[:6]
    assert losses_of(config, tmp_path / "cut") == whole[4:]


class Dropping(nn.Module):
    """Its loss says which of its weights were dropped."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.ones(1000))

    def forward(self, batch):
        return (nn.functional.dropout(self.weights) * torch.arange(1000)).sum()


def test_every_step_of_every_process_drops_others_and_always_the_same(config):
    def loss(step: int, process: int) -> float:
        accelerator = SimpleNamespace(device=torch.device("cpu"), process_index=process)
        accelerator.backward, accelerator.reduce = torch.Tensor.backward, lambda loss, how: loss
        examples = SimpleNamespace(batch=lambda step, process: torch.zeros(1))
        return one_step(
            accelerator, Dropping(), examples, step, SimpleNamespace(step=lambda share: None), read_config(config)
        )

    assert loss(5, 0) == loss(5, 0)
    assert len({loss(5, 0), loss(5, 1), loss(6, 0)}) == 3


def test_a_run_killed_by_the_system_goes_on_to_the_same_losses(config, tmp_path):
    """SIGKILL leaves no moment to tidy up; twelve steps in one go are the reference. After the sixth step of the run to be killed
    it waits for a word, or it might end before it is."""
    program = "import sys, pathlib; from engine.training import train; config, run = map(pathlib.Path, sys.argv[1:3])\n"
    program += "def tell(state):\n    print(state['step'], repr(state['loss']), flush=True)\n"
    program += "    if str(state['step']) == sys.argv[3]: sys.stdin.read()\n"
    program += "train(config, run, tell)"

    def start(run: str, waits_after: str = "") -> subprocess.Popen:
        command = [sys.executable, "-c", program, str(config), str(tmp_path / run), waits_after]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with start("whole") as whole:
        reference = whole.stdout.read().splitlines()
    with start("cut", waits_after="6") as cut:
        before = [cut.stdout.readline().strip() for _ in range(6)]
        cut.kill()
    with start("cut") as again:
        after = again.stdout.read().splitlines()
    assert len(reference) == 12
    assert before == reference[:6]
    assert 0 < len(after) <= 8  # from a checkpoint, not from the beginning
    assert after == reference[-len(after) :]


def test_training_lowers_the_loss(config, tmp_path):
    config.write_text(config.read_text().replace("steps = 12", "steps = 60"))
    losses = losses_of(config, tmp_path / "run")
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])


def test_a_run_begins_with_the_weights_it_is_told_to(config, tmp_path):
    losses = losses_of(config, tmp_path / "first")
    told = f'start = "{tmp_path / "first" / "tones"}"\n'
    config.write_text(told + config.read_text())
    assert losses_of(config, tmp_path / "second")[0] < losses[0]
    config.write_text(re.sub(r"context = \d+", "context = 2", config.read_text()))
    with pytest.raises(ModelError, match="other arguments"):
        train(config, tmp_path / "third")


def hearing(config) -> None:
    config.write_text(
        "known = 0.8\nvarispeed = 0.5\nequalised = 0.5\n" + re.sub(r" \}", ", hears_known = true }", config.read_text())
    )


def test_a_network_that_hears_known_stems_goes_on_from_one_that_does_not(config, tmp_path):
    train(config, tmp_path / "deaf")
    first = load_model(tmp_path / "deaf" / "tones")
    hearing(config)
    config.write_text(
        f'start = "{tmp_path / "deaf" / "tones"}"\n' + config.read_text().replace("steps = 12", "steps = 1")
    )
    network = build("local_gaussian", read_config(config).arguments, first.spec)
    start_from(tmp_path / "deaf" / "tones", network, read_config(config))
    x = 0.1 * torch.randn(1, 4, 3000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(x, torch.tensor(0.1)), first.denoiser(x, torch.tensor(0.1)))
    train(config, tmp_path / "hearing")
    second = load_model(tmp_path / "hearing" / "tones")
    assert second.spec.hears_known
    assert not first.spec.hears_known
    config.write_text(config.read_text().replace("/deaf/", "/hearing/").replace(", hears_known = true", ""))
    config.write_text(re.sub("known = 0.8\n", "", config.read_text()))
    with pytest.raises(ModelError, match="other arguments"):
        train(config, tmp_path / "deaf again")


def test_examples_with_known_stems_are_real_songs_with_something_left_to_make(config):
    hearing(config)
    read = replace(read_config(config), remix=1.0, mask=0.5, varispeed=0.0, equalised=0.0)
    examples, kinds = Examples(read), set()
    for step in range(40):
        batch = examples.batch(step)
        for known, sigma, clean in zip(batch.known, batch.sigma, batch.clean, strict=True):
            kinds.add("none" if not known.any() else "stems" if (known == known[:, :1]).all() else "stretch")
            assert not known.all()
            assert not (known.any() and sigma >= BLIND)
            if known.any():
                assert of_one_song(clean), "others' stems would teach it that they mean nothing"
    assert kinds == {"none", "stems", "stretch"}


def of_one_song(stems: torch.Tensor) -> bool:
    """The two songs of the test lie a semitone apart: whether the loudest pitches of all stems that sound for long do not."""
    found = [pitch(stem) / of for stem, of in zip(stems[1:], (1500, 440, 880), strict=True) if sounds(stem)]
    return not found or max(found) / min(found) < 1.03


def sounds(stem: torch.Tensor) -> bool:
    return bool((stem.abs() > 1e-3 * stem.abs().max()).float().mean() > 0.4)


def pitch(stem: torch.Tensor) -> float:
    """Hz, of the loudest."""
    return float(torch.fft.rfft(stem, 1 << 17).abs().argmax()) * 8000 / (1 << 17)


def test_a_level_of_zero_leaves_songs_as_they_are(config):
    read = replace(read_config(config), level=0.0, gain_spread_db=0.0, remix=0.0)
    for step in range(3):
        peaks = Examples(read).batch(step).clean.abs().amax(-1)
        assert ((peaks < 1e-6) | ((peaks - 0.2).abs() < 0.01)).all()  # silence, or the tones of the files


def test_a_crop_is_played_up_to_three_semitones_off_and_is_as_long_as_ever(config):
    hearing(config)
    read = replace(read_config(config), varispeed=1.0, equalised=0.0, remix=0.0, known=0.0)
    examples, found = Examples(read), []
    for step in range(10):
        for drums in examples.batch(step).clean[:, 1]:
            assert drums.shape == (4000,)
            if sounds(drums):
                found.append(pitch(drums) / 1500)
    assert min(found) > 2 ** (-3.2 / 12)
    assert max(found) < 2 ** (4.2 / 12)  # the second song is a semitone higher
    assert max(found) / min(found) > 2 ** (3 / 12)


def test_what_is_known_is_told_to_no_network_that_cannot_hear_it(config):
    config.write_text("known = 0.5\n" + config.read_text())
    with pytest.raises(DataError, match="does not hear") as caught:
        read_config(config)
    assert "hears_known" in caught.value.hint


def test_no_mixture_is_given_to_a_network_that_cannot_hear_it(config):
    """It would see nothing but noise where the mixture is all there is to go by."""
    assert Examples(read_config(config)).batch(0).has_mixture.any()
    told = config.read_text().replace("local_gaussian", "msdm_unet")
    config.write_text(told)
    batch = Examples(read_config(config)).batch(0)
    assert not batch.has_mixture.any()
    assert batch.sigma.max() <= 1.0
    config.write_text("mixture = 0.5\n" + told)
    with pytest.raises(DataError, match="does not hear") as caught:
        read_config(config)
    assert "mixture" in caught.value.hint


def test_a_checkpoint_of_another_optimizer_is_refused_with_a_way_on(config, tmp_path):
    losses_of(config, tmp_path / "run", stop_after=6)
    config.write_text("muon = true\n" + config.read_text())
    with pytest.raises(DataError, match="another network or optimizer") as caught:
        train(config, tmp_path / "run")
    assert "start" in caught.value.hint


def test_a_checkpoint_of_another_network_is_refused_in_words(config, tmp_path):
    losses_of(config, tmp_path / "run", stop_after=6)
    config.write_text(re.sub(r"context = \d+", "context = 2", config.read_text()))
    with pytest.raises(DataError, match="another network"):
        train(config, tmp_path / "run")


def test_a_run_that_had_ended_writes_its_model_again_also_under_another_name(config, tmp_path):
    folder = train(config, tmp_path / "run")
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).unlink()
    assert (train(config, tmp_path / "run") / WEIGHTS).read_bytes() == weights
    config.write_text(config.read_text().replace("tones", "others"))
    assert (train(config, tmp_path / "run") / WEIGHTS).read_bytes() == weights
    assert (tmp_path / "run" / "others" / WEIGHTS).exists()


def test_weights_that_cannot_be_written_leave_those_before_them(config, tmp_path, monkeypatch):
    folder = train(config, tmp_path / "run")
    before = load_model(folder).denoiser.state_dict()

    def cut(tensors, path):
        path.write_bytes(b"half of it")
        raise OSError("the disk is full")

    monkeypatch.setattr("engine.cards.save_file", cut)
    with pytest.raises(OSError, match="full"):
        train(config, tmp_path / "run")
    after = load_model(folder).denoiser.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_tracks_without_any_of_the_sources_are_told(config, tmp_path):
    config.write_text('sources = ["Bass", "Drums"]\n' + config.read_text())
    with pytest.raises(DataError, match="nothing but silence") as caught:
        train(config, tmp_path / "run")
    assert "Bass.wav" in caught.value.hint


def test_a_run_may_begin_at_its_full_rate(config, tmp_path):
    config.write_text(config.read_text().replace("warmup = 3", "warmup = 0"))
    assert np.isfinite(losses_of(config, tmp_path / "run", stop_after=2)).all()


def test_what_is_not_installed_is_told(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(DataError, match="not installed") as caught:
        train(config, tmp_path / "run")
    assert "stemweave[train]" in caught.value.hint


def test_a_bad_configuration_names_the_key(config):
    good = config.read_text()
    config.write_text(good + "lerning_rate = 1\n")
    with pytest.raises(DataError, match="lerning_rate"):
        read_config(config)
    config.write_text(good.replace("name", "title"))
    with pytest.raises(DataError, match="title"):
        read_config(config)


def test_data_at_another_rate_is_refused(config, tmp_path):
    config.write_text(config.read_text().replace("sample_rate = 8000", "sample_rate = 44100"))
    with pytest.raises(DataError, match="8000 Hz"):
        train(config, tmp_path / "run")


def test_training_goes_on_without_a_track_whose_stems_differ(config, tmp_path, caplog):
    cut = tmp_path / "data" / "Track00000" / "drums.wav"
    soundfile.write(cut, soundfile.read(cut)[0][:-1], 8000)
    examples = Examples(read_config(config))
    assert [name for _, name in examples.tracks] == ["Track00001"]
    assert "1 of 2 tracks" in caplog.text


def test_a_folder_without_tracks_is_refused(config, tmp_path):
    config.write_text(config.read_text().replace('"data"', '"empty"'))
    with pytest.raises(DataError, match="no tracks"):
        train(config, tmp_path / "run")
