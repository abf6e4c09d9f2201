"""`stemweave export`: its report, its file, and what it says of what there is not; `bench` the same."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.bench import scale
from bridge.cli.app import app


def test_it_reports_parity_and_writes_what_it_says(stemweave, tmp_path):
    process = stemweave("export", "--format", "torchscript", "-o", tmp_path / "out", "--json")
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout)
    assert [Path(path).name for path in report["files"]] == ["default-fp32.pt"]
    assert Path(report["files"][0]).stat().st_size > 0
    assert max(report["errors"].values()) < 1e-4
    assert report["about"]["sources"] == ["bass", "drums", "guitar", "piano"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nobody"], "There is no model called 'nobody'"),
        (["--model", "theirs.ckpt"], "There is no model called 'theirs.ckpt'"),
        (["--format", "abacus"], "There is no export to 'abacus'"),
        (["--precision", "fp8"], "There is no export to 'onnx' in 'fp8'"),
    ],
)
def test_what_there_is_not_is_told(refused, stemweave, tmp_path, options, words):
    (tmp_path / "theirs.ckpt").write_bytes(b"a checkpoint of somebody")
    refused(stemweave("export", "-o", tmp_path / "out", *options), words)
    assert not (tmp_path / "out").exists()


def test_an_unknown_suite_of_benchmarks_is_told(refused, stemweave):
    refused(stemweave("bench", "abacus"), "There is no suite called 'abacus'", "denoiser")


def test_rows_that_take_minutes_each_are_told_as_they_come(monkeypatch):
    """The hour's may never come: somebody may stop it, or memory end."""

    def measured(model, minutes):
        yield {"minutes": 7.0, "backend": "torch", "wall": 0.123}
        raise MemoryError

    monkeypatch.setattr(scale, "bench_scale", measured)
    found = CliRunner().invoke(app, ["bench", "scale", "--json"])
    assert isinstance(found.exception, MemoryError)
    assert "minutes 7.000" in found.stderr
    assert "s a second of song 0.123" in found.stderr
    assert not found.stdout
