"""The benchmark of a GPU, run on the processor with a small network; its own rows where there is a GPU."""

import pytest
import torch
from support.models import TINY_PAPER

from engine.bench import gpu, rounds
from engine.bench.gpu import PRECISIONS, WAYS, bench_gpu, exact


@pytest.fixture(autouse=True)
def small_products(monkeypatch):
    for device in rounds.MATMUL:
        monkeypatch.setitem(rounds.MATMUL, device, 64)


def test_without_a_gpu_the_processor_is_measured_and_the_gpus_rows_are_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rows = bench_gpu(2, TINY_PAPER, 8192, ("torch", "torch-graph", "onnxruntime"))
    here = {(row["way"], row["precision"]): row for row in rows if row["device"] == "cpu"}
    assert set(here) == {(way, precision) for way in ("torch", "onnxruntime") for precision in ("fp32", "bf16")}
    assert here["torch", "fp32"]["ratio"] == 1
    assert here["torch", "fp32"]["agreement_db"] > 100
    assert here["onnxruntime", "fp32"]["agreement_db"] > 80
    assert 30 < here["torch", "bf16"]["agreement_db"] < 80
    assert "bf16.onnx cannot be read" in here["onnxruntime", "bf16"]["found"]  # ONNX has no such norm in opset 18
    for row in here.values():
        assert row["found"] != "measured" or (row["milliseconds"] > 0 and row["ceiling"] > 0)
    there = [(row["way"], row["precision"]) for row in rows if row["device"] == "cuda"]
    assert all(row["found"] == "not measured" for row in rows if row["device"] == "cuda")
    assert set(there) >= {(way, precision) for way in WAYS for precision in PRECISIONS}
    assert "16 chunks where 3 fit" in dict(there)


def test_what_fails_is_told_and_the_others_are_measured(monkeypatch):
    honest = gpu._denoiser

    def faulty(card, device, way, precision):
        if precision == "bf16":
            raise RuntimeError("no such kernel\nand much more")
        return honest(card, device, way, precision)

    monkeypatch.setattr(gpu, "_denoiser", faulty)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rows = [row for row in bench_gpu(1, TINY_PAPER, 8192, ("torch",)) if row["device"] == "cpu"]
    assert {row["precision"]: row["found"] for row in rows} == {"fp32": "measured", "bf16": "no such kernel"}


def test_precision_is_set_for_a_call_alone():
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags]
    for wanted in (True, False):
        with exact(wanted):
            assert [flag.allow_tf32 for flag in flags] == [not wanted] * 2
        assert [flag.allow_tf32 for flag in flags] == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_every_way_and_too_large_a_batch_on_a_gpu():
    rows = [row for row in bench_gpu(2, TINY_PAPER, 2**16) if "precision" in row]
    assert {row["found"] for row in rows} <= {"measured", "done in parts"}
    for row in rows:
        assert row["agreement_db"] > {"fp32": 60, "tf32": 30, "bf16": 25}[row["precision"]]
