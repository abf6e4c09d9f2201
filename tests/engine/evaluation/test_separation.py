"""What is separated and measured of a folder, and what is left out."""

import numpy as np
import pytest
import soundfile
from support.models import SOURCES, write_tiny_model

from engine.evaluation import evaluate
from engine.models import load_model
from engine.presets import load_preset

RATE = 22050


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def songs(tmp_path):
    """Three songs of 5 s; the second one's drums end early."""
    rng = np.random.default_rng(0)
    for index in range(3):
        folder = tmp_path / f"Track{index:05d}"
        folder.mkdir()
        for name in SOURCES:
            frames = 5 * RATE - ((index, name) == (1, "drums"))
            soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(frames), RATE)
    return tmp_path


def test_a_track_whose_stems_differ_is_left_out_and_the_others_are_measured(model, songs, caplog):
    told = []
    report = evaluate(model, songs, load_preset(), on_track=lambda done, of: told.append((done, of, caplog.text)))
    assert {row[0] for row in report.rows} == {"Track00000", "Track00002"}
    assert [(done, of) for done, of, _ in told] == [(1, 2), (2, 2)]
    assert "1 of 3 tracks" in told[0][2], "it is said before any work"
