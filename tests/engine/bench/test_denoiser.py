"""The benchmark of back ends: what its rows say, on a model small enough to be run in every test."""

import pytest
import torch
from support.models import write_tiny_model

from engine.backends import BACKENDS, runs_on
from engine.backends.exported import SLOW
from engine.bench import denoiser, rounds
from engine.bench.denoiser import PLAIN, bench_denoiser
from engine.bench.guidance import bench_guidance
from engine.bench.rounds import turns
from engine.errors import ModelError, ResourceError


@pytest.fixture
def model(tmp_path, monkeypatch) -> str:
    demo, rate = rounds.demo_stems()
    monkeypatch.setattr(denoiser, "demo_stems", lambda: ({name: stem[:, :rate] for name, stem in demo.items()}, rate))
    for device in rounds.MATMUL:
        monkeypatch.setitem(rounds.MATMUL, device, 64)
    for slow in SLOW:
        monkeypatch.delitem(BACKENDS, slow)
    return str(write_tiny_model(tmp_path / "tiny"))


def test_a_row_for_each_back_end_with_its_speed_and_what_its_stems_lose(model, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = bench_denoiser(model, 2)
    rows = {row["backend"]: row for row in found if row["device"] == "cpu"}
    assert set(rows) == {PLAIN} | {name for name in BACKENDS if runs_on(name, "cpu")}
    if not torch.cpu._is_vnni_supported():
        assert "VNNI" in rows.pop("torch-int8")["found"]
    assert rows[PLAIN]["ratio"] == rows[PLAIN]["network_ratio"] == 1
    assert not denoiser._plain, "what comes as it is has run here"
    for name, row in rows.items():
        assert row["found"] == "measured"
        assert row["milliseconds"] > 0
        assert row["ceiling"] > 0
        if name not in (PLAIN, "torch"):
            assert row["agreement_db"] > 30
            assert row["stems_db"] > 30
            assert abs(row["loss_db"]) < 0.1
    without = [(row["backend"], row["found"]) for row in found if row["device"] == "cuda"]
    assert without == [(name, "not measured") for name in BACKENDS]


def test_a_graph_of_the_gradient_is_autograds_and_is_timed_beside_it(model):
    rows = {row["way"]: row for row in bench_guidance(model, 2)}
    assert list(rows) == ["the call alone", "autograd", "graph"]
    assert all(row["milliseconds"] > 0 for row in rows.values())
    assert rows["autograd"]["ratio"] == 1
    assert rows["graph"]["error"] < 1e-4


def test_a_back_end_that_cannot_be_used_says_why_and_the_others_are_measured(model, monkeypatch):
    def gone(card, device):
        raise ResourceError("The library is gone.", "Install it.")

    monkeypatch.setitem(BACKENDS, "onnxruntime", gone)
    rows = {row["backend"]: row["found"] for row in bench_denoiser(model, 1) if row["device"] == "cpu"}
    assert rows["onnxruntime"] == "The library is gone. Install it."
    assert rows["torchscript"] == "measured"


def test_an_unknown_model_is_told():
    with pytest.raises(ModelError, match="no model called 'nobody'"):
        bench_denoiser("nobody")


def test_rounds_take_turns():
    order = []
    times = turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 3
    assert [len(seconds) for seconds in times.values()] == [3, 3]
