"""Long songs, file to files and over the spool: what memory holds does not grow with them, and nothing half made is left."""

import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from support.models import write_tiny_model

from bridge.bench.scale import bench_scale
from bridge.files import read_parts, write_stems
from bridge.folders import Folders
from bridge.jobs import Order
from bridge.protocol import AudioShape
from bridge.workers import Desk, perform_order
from engine.audio import read_audio, writing
from engine.errors import Cancelled
from engine.filling import perform, perform_stretches
from engine.models import Model, load_model
from engine.pipeline import separate
from engine.presets import load_preset
from engine.recipe import recipe_of
from engine.request import MIXTURE, Request

RATE = 8000


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", sample_rate=RATE))


def song(folder: Path, seconds: int) -> Path:
    """Noise at the model's rate, mono."""
    rng = np.random.default_rng(0)
    with writing(folder / f"{seconds}.wav", 1, seconds * RATE, RATE) as write:
        for _ in range(seconds):
            write(0.1 * rng.standard_normal((1, RATE)))
    return folder / f"{seconds}.wav"


def to_files(model: Model, path: Path, out: Path, **options) -> dict[str, Path]:
    rate, parts = read_parts({MIXTURE: path})
    request, preset = Request.of(rate, parts), load_preset()
    recipe = recipe_of(request, {MIXTURE: path}, preset.as_dict(), "tiny", model.card.digest())
    out.mkdir()
    return write_stems(out, perform_stretches(model, request, preset, **options), request, recipe)


def over_the_spool(model: Model, path: Path, out: Path) -> dict[str, Path]:
    """What a worker does with audio that a client sent."""
    out.mkdir()
    frames = soundfile.info(path).frames
    with open(out / "input.f32", "wb") as file:
        for block in soundfile.blocks(path, 65536, dtype="float32"):
            file.write(block.tobytes())
    folder = str(model.card.folder)
    order = Order("1", "separate", {"model": folder, "backend": "torch"}, out, AudioShape(RATE, 1, frames, ""))
    desk = Desk(
        SimpleNamespace(send=lambda message: None), SimpleNamespace(value=0), 1, order, Folders([model.card.folder])
    )
    perform_order(desk)
    return {path.stem: path for path in out.glob("*.f32") if path.stem != "input"}


@pytest.mark.parametrize("way", [to_files, over_the_spool])
def test_memory_does_not_grow_with_the_song(model, tmp_path, way):
    peaks = []
    for seconds in (8, 40, 120):  # the first pays for what is only paid once
        path = song(tmp_path, seconds)
        tracemalloc.start()
        found = way(model, path, tmp_path / f"out-{seconds}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found) == 5
    assert peaks[2] < 1.2 * peaks[1]
    assert peaks[2] < 120 * RATE * 4 * 5  # all stems together


@pytest.mark.parametrize("way", [to_files, over_the_spool])
def test_what_is_written_is_what_there_is_in_memory(model, tmp_path, way):
    path = song(tmp_path, 20)
    wanted = separate(model, read_audio(path).samples, RATE, load_preset())
    for name, file in way(model, path, tmp_path / "out").items():
        found = np.fromfile(file, "<f4")[None] if file.suffix == ".f32" else read_audio(file).samples
        np.testing.assert_array_equal(found, wanted.pop(name))
    assert not wanted


def test_a_song_that_is_not_in_memory_may_be_given_wherever_an_array_may(model, tmp_path):
    """Beside known stems it is read whole."""
    _, parts = read_parts({MIXTURE: song(tmp_path, 5)})
    preset, known = load_preset(), 0.05 * np.ones((1, 5 * RATE), np.float32)
    for stems in ([], [("bass", known)]):
        found = perform(model, Request.of(RATE, parts + stems), preset)
        wanted = perform(model, Request.of(RATE, [(MIXTURE, parts[0][1].samples()), *stems]), preset)
        for name, stem in wanted.items():
            np.testing.assert_array_equal(found[name], stem)


def test_cancelled_in_the_middle_nothing_is_left(model, tmp_path):
    done: list[float] = []
    with pytest.raises(Cancelled):
        to_files(model, song(tmp_path, 40), tmp_path / "out", on_progress=done.append, cancelled=lambda: len(done) > 2)
    assert 0 < done[-1] < 1
    assert not list((tmp_path / "out").iterdir())


def test_the_benchmark_has_a_row_for_each_length_and_batch(model):
    rows = list(bench_scale(str(model.card.folder), minutes=(0.05,), batches=(2,)))
    assert [(row["minutes"], row["batch"]) for row in rows] == [(0.05, 4), (0.05, 2)]
    assert rows[0]["ratio"] == 1
    for row in rows:
        assert 0 < row["first_stem"] <= 60 * 0.05 * row["wall"] + 1e-6
        assert row["peak_mb"] > 50
