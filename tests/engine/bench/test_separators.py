"""The benchmark beside other separators: each separates the same song whole, and who is not installed says so."""

import sys

import pytest
import torch
from support.models import write_tiny_model

from engine.bench import separators
from engine.bench.separators import DEMUCS, bench_separators

SMALL = DEMUCS | {"channels": 8, "bottom_channels": 0, "t_layers": 1, "segment": 1}
SECONDS = 1.5  # more than one of Demucs's pieces


@pytest.fixture
def model(tmp_path) -> str:
    return str(write_tiny_model(tmp_path / "tiny"))


def test_each_separates_the_same_song(model, monkeypatch):
    heard = []

    def kept(times, rounds):
        heard.extend(run() for run in times.values())
        return {name: [seconds] * rounds for name, seconds in zip(times, (4.0, 2.0, 1.0), strict=True)}

    monkeypatch.setattr(separators, "turns", kept)
    rows = bench_separators(2, model, SECONDS, SMALL)
    assert [row["way"].split(" (")[0] for row in rows] == ["the song, Demucs", "the song, Open-Unmix", "the song, ours"]
    assert [(row["found"], row["seconds"], row["ratio"]) for row in rows] == [
        ("measured", 4.0, 1.0), ("measured", 2.0, 2.0), ("measured", 1.0, 4.0),
    ]  # fmt: skip
    assert rows[0]["real_time_factor"] == pytest.approx(4 / SECONDS)
    demucs, open_unmix, ours = heard
    frames = round(SECONDS * 44100)
    assert demucs.shape == open_unmix.shape == (1, 4, 2, frames)
    assert {stem.shape for stem in ours.values()} == {(2, frames)}
    assert all(torch.isfinite(stems).all() for stems in (demucs, open_unmix))
    assert all(stems.std() > 0 for stems in (demucs, open_unmix))


def test_who_is_not_installed_says_so_and_the_others_are_timed(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs.htdemucs", None)
    monkeypatch.setitem(sys.modules, "openunmix", None)
    rows = bench_separators(1, model, SECONDS)
    assert [row["found"] for row in rows] == [
        "Demucs is not installed. Install it with: pip install 'stemweave[peers]'",
        "Open-Unmix is not installed. Install it with: pip install 'stemweave[peers]'",
        "measured",
    ]
    assert rows[2]["seconds"] > 0
    assert rows[2]["ratio"] is None
