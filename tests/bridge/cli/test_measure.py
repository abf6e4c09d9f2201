"""The commands that measure what was made: their reports, and what they refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import engine.evaluation.prompts as prompts
from bridge.cli import data
from bridge.cli.app import app
from engine import training
from engine.errors import DataError, PresetError

RATE = 8000


@pytest.fixture
def run(home, tmp_path, monkeypatch):
    """Runs a command in this process, in a folder with two songs in tracks/; what it printed as JSON."""
    monkeypatch.setenv("STEMWEAVE_MODELS", str(home / "models"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for index in range(2):
        folder = tmp_path / "tracks" / f"Track{index:05d}"
        folder.mkdir(parents=True)
        for name in ("bass", "drums", "guitar", "piano"):
            soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(3 * RATE), RATE)

    def invoke(*arguments: str) -> list:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        if result.exception:
            raise result.exception
        return json.loads(result.stdout)

    return invoke


def test_accompaniments_are_reported_a_source_and_a_measure(run):
    rows = run("evaluate-accompaniments", "--tracks", "tracks", "--steps", "1", "--seconds", "2")
    assert len(rows) == 7
    assert {"source", "measure", "made", "own", "other", "gain", "interval", "songs"} == set(rows[0])
    with pytest.raises(DataError, match="no tracks"):
        run("evaluate-accompaniments", "--tracks", "nowhere")


def test_generation_is_reported_a_subset(run):
    order = ["evaluate-generation", "--tracks", "tracks", "--steps", "1", "--seconds", "2"]
    rows = run(*order)
    assert len(rows) == 15
    assert {"sources", "made", "other", "silence", "ahead", "interval", "songs"} == set(rows[0])
    with pytest.raises(PresetError, match="no embedder called 'vggish'"):
        run(*order, "--embedder", "vggish")
    with pytest.raises(PresetError, match="no preset called 'none'"):
        run(*order, "--generate", "none")


def test_prompts_are_reported_a_source_and_how_it_was_made(run, monkeypatch):
    monkeypatch.setattr(prompts, "PROMPTS", {source: (source,) for source in prompts.PROMPTS})
    order = ["evaluate-prompts", "--stems", "tracks", "--tracks", "tracks", "--steps", "1"]
    rows = run(*order, "--model", "text")
    assert len(rows) == 12
    for row in rows:
        assert row["interval_95"][0] <= row["share"] <= row["interval_95"][1]
        assert sum(row["heard"].values()) == (2 if row["how"] == "rendered stem" else 1)
    with pytest.raises(PresetError, match="does not understand prompts"):
        run(*order, "--model", "default")


@pytest.mark.parametrize(("rank", "said"), [(None, "model: made\n"), ("0", "model: made\n"), ("1", "")])
def test_of_several_processes_that_train_the_first_one_speaks(monkeypatch, capsys, rank, said):
    monkeypatch.setattr(training, "train", lambda config, run, on_step: Path("made"))
    monkeypatch.delenv("RANK", raising=False)
    if rank:
        monkeypatch.setenv("RANK", rank)
    data.train(Path("config"), Path("run"))
    assert capsys.readouterr().out == said
