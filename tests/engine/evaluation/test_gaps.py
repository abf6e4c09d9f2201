"""Gap measures against cases whose answer is plain, and the whole evaluation on a tiny model."""

import dataclasses

import numpy as np
import pytest
import soundfile
from support.models import SOURCES, write_tiny_model

from engine.errors import DataError
from engine.evaluation.gaps import _crossfaded, _measure, _silent, evaluate_gaps
from engine.models import load_model
from engine.presets import load_preset

RATE = 22050
HOLE = slice(RATE, 2 * RATE)


def music(seed: int = 0) -> np.ndarray:
    """(1, frames): three seconds of noise whose level does not change."""
    return 0.1 * np.random.default_rng(seed).standard_normal((1, 3 * RATE)).astype(np.float32)


def test_the_truth_is_at_no_distance_and_as_smooth_as_itself():
    assert _measure(music(), music(), HOLE, RATE) == (0.0, pytest.approx(1.0))


def test_silence_is_as_far_as_the_music_is_loud_and_breaks_at_its_edges():
    mel, seam = _measure(_silent(music(), HOLE), music(), HOLE, RATE)
    assert mel > 20
    assert seam > 5


def test_other_noise_of_the_same_level_is_nearer_than_the_same_at_a_tenth():
    equal, faint = music(), music()
    equal[:, HOLE], faint[:, HOLE] = music(1)[:, HOLE], 0.1 * music(1)[:, HOLE]
    near, far = (_measure(made, music(), HOLE, RATE)[0] for made in (equal, faint))
    assert near < 8 < far
    assert far == pytest.approx(20, abs=3)


def test_a_crossfade_of_steady_noise_keeps_its_power():
    made = _crossfaded(music(), HOLE)
    assert np.array_equal(made[:, : HOLE.start], music()[:, : HOLE.start])
    assert made[:, HOLE].std() == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("task", ["infill", "continue"])
def test_every_anchor_is_measured_beside_the_preset(tmp_path, task):
    for index, name in enumerate(SOURCES):
        (tmp_path / "Track00000").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "Track00000" / f"{name}.wav", np.repeat(music(index).T, 2, 1), RATE, subtype="FLOAT")
    model = load_model(write_tiny_model(tmp_path / "tiny"))
    preset = dataclasses.replace(load_preset(task), steps=2, resamples=1)
    rows = {row.method: row for row in evaluate_gaps(model, tmp_path, preset, seconds=2.0, gap=0.5)}
    assert list(rows) == [task, "its start alone", "noised replacement", "crossfade of the edges", "silence"]
    assert rows["crossfade of the edges"].mel[0] < rows["silence"].mel[0]
    for row in rows.values():
        assert row.mel_behind[0] == pytest.approx(row.mel[0] - rows[task].mel[0])
        assert row.seam_behind[0] == pytest.approx(row.seam[0] - rows[task].seam[0])
    with pytest.raises(DataError, match="fewer seconds"):
        evaluate_gaps(model, tmp_path, preset, seconds=20.0)


def test_what_lies_sixty_decibels_under_the_music_is_silence():
    """A whisper in the gap is no nearer to nothing there than nothing is."""
    loud, faint = music(), music(1)
    loud[:, HOLE], faint[:, HOLE] = 0, 1e-5 * music(1)[:, HOLE]
    faint[:, : HOLE.start], faint[:, HOLE.stop :] = loud[:, : HOLE.start], loud[:, HOLE.stop :]
    assert _measure(faint, loud, slice(HOLE.start + 4096, HOLE.stop - 4096), RATE)[0] == pytest.approx(0.0, abs=1e-6)
