"""What a run leaves in TensorBoard, read back from its files: the losses, and stems of a mixture to listen to."""

import contextlib
import io

import numpy as np
import pytest
import soundfile
from support.models import SOURCES, TINY_PAPER
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.models import load_model
from engine.pipeline import separate
from engine.presets import load_preset
from engine.training import listening, train


def read(run) -> EventAccumulator:
    return EventAccumulator(str(run / "tensorboard"), {"audio": 0, "scalars": 0}).Reload()


def heard(board: EventAccumulator, tag: str) -> dict[int, np.ndarray]:
    """Step to samples."""
    return {one.step: soundfile.read(io.BytesIO(one.encoded_audio_string))[0] for one in board.Audio(tag)}


def trained(config, run, stop_after=None) -> list[float]:
    class Killed(Exception):
        pass

    losses = []

    def on_step(state):
        losses.append(state["loss"])
        if state["step"] == stop_after:
            raise Killed

    with contextlib.suppress(Killed):
        train(config, run, on_step)
    return losses


def test_a_run_is_heard_separating_a_mixture_and_the_truth_is_beside_it(config, tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "EVERY", 2)  # the checkpoints are at 4, 8 and 12
    trained(config, tmp_path / "run")
    board = read(tmp_path / "run")
    names = {"mixture"} | {f"{source}/{kind}" for source in SOURCES for kind in ("true", "separated")}
    assert set(board.Tags()["audio"]) == names
    mixture = heard(board, "mixture")[0]
    assert len(mixture) == 4000  # half a second
    assert board.Audio("mixture")[0].sample_rate == 8000
    assert mixture.std() > 0.01
    true = sum(heard(board, f"{source}/true")[0] for source in SOURCES)
    np.testing.assert_allclose(true, mixture, atol=4 / 2**15)
    model = load_model(tmp_path / "run" / "tones")  # what the run left is what was heard last
    stems = separate(model, mixture[None].astype(np.float32), 8000, load_preset())
    for source in SOURCES:
        made = heard(board, f"{source}/separated")
        assert list(made) == [7, 11]
        assert np.abs(made[11] - stems[source][0]).max() < 0.01 * np.abs(mixture).max()


def test_curves_of_a_resumed_run_have_each_step_once(config, tmp_path):
    whole = trained(config, tmp_path / "whole")
    trained(config, tmp_path / "cut", stop_after=6)  # the checkpoint is of step 4
    trained(config, tmp_path / "cut")
    for run in ("whole", "cut"):
        curve = read(tmp_path / run).Scalars("loss")
        assert [one.step for one in curve] == list(range(12))
        assert [one.value for one in curve] == pytest.approx(whole)


def test_a_prior_is_heard_by_its_zero_shot_posterior(config, tmp_path):
    text = (
        config.read_text()
        .replace("local_gaussian", "msdm_unet")
        .replace("steps = 12", "steps = 4")
        .replace("seconds = 0.5", "seconds = 0.512")
    )
    arguments = ", ".join(f"{key} = {str(value).lower()}" for key, value in TINY_PAPER.items())
    config.write_text(text[: text.index("arguments")] + f"arguments = {{ {arguments} }}\n")
    trained(config, tmp_path / "run")
    board = read(tmp_path / "run")
    stems = np.stack([heard(board, f"{source}/separated")[3] for source in SOURCES])
    whole = np.abs(stems).max(0) < 0.999  # what four steps of training make is clipped here and there
    assert whole.sum() > 100
    np.testing.assert_allclose(stems.sum(0)[whole], heard(board, "mixture")[0][whole], atol=0.001)
