"""The benchmark beside the package the paper used: the same network on the same weights, whichever way it is run."""

import sys

from support.models import TINY_PAPER

from engine.bench import authors
from engine.bench.authors import bench_peers


def test_every_way_computes_what_their_package_computes(monkeypatch):
    monkeypatch.setattr(authors, "CHUNKS", 2)
    rows = bench_peers(1, TINY_PAPER, 8192)
    assert rows[0]["ratio"] == 1
    assert [row["way"].split(",")[0] for row in rows] == ["their package"] + ["ours"] * 6
    assert all(row["milliseconds"] > 0 for row in rows)
    for row in rows[2:]:
        assert row["agreement_db"] > (30 if row["way"].endswith("bf16") else 80)


def test_both_samplers_make_as_many_calls_as_they_are_counted_for(monkeypatch):
    seen = {"theirs": 0, "ours": 0}
    theirs = authors._theirs(TINY_PAPER)
    honest = theirs.diffusion.denoise_fn

    def counted(*given, **named):
        seen["theirs"] += 1
        return honest(*given, **named)

    def denoiser(x, sigma, conditioning=None):
        seen["ours"] += 1
        return x

    noise = authors.torch.randn(1, 4, 8192)
    monkeypatch.setattr(theirs.diffusion, "denoise_fn", counted)
    authors._sample_theirs(theirs, noise)
    authors._sample(denoiser, noise)
    assert seen == {"theirs": 2 * (authors.STEPS - 1), "ours": authors.CALLS["heun"](authors.STEPS, 1)}


def test_without_their_package_a_row_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "audio_diffusion_pytorch", None)
    (row,) = bench_peers(1)
    assert "audio-diffusion-pytorch==0.0.43" in row["found"]
