"""A worker that has too little memory for a batch computes it in halves: no job is lost. STEMWEAVE_ROUNDS=20 for the long run."""

import numpy as np
import pytest
from support.models import write_tiny_model
from support.servers import PATIENCE, ROUNDS, running, song

from bridge.client import Client

OVERRIDES = {"model": "tiny", "backend": "torch", "batch": 4}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    write_tiny_model(tmp_path / "models" / "tiny")
    monkeypatch.setenv("STEMWEAVE_MODELS", str(tmp_path / "models"))


def test_batches_that_do_not_fit_are_halved_and_no_worker_dies(tiny):
    with (
        running("support.jobs:cramped", gone_after=PATIENCE) as cramped,
        running("bridge.workers:perform_order") as roomy,
    ):
        worker = cramped.worker.process.pid
        for round_ in range(ROUNDS):
            music = song(60_000 + 5000 * round_, channels=2 - round_ % 2, seed=round_) / 10
            stems = []
            for server in (cramped, roomy):
                with Client(f"tcp://127.0.0.1:{server.port}", timeout=PATIENCE) as client:
                    stems.append(client.separate(music, 22_050, overrides=OVERRIDES))
            assert set(stems[0]) == set(stems[1])
            for name, stem in stems[0].items():
                np.testing.assert_allclose(stem, stems[1][name], atol=1e-4)
        assert cramped.worker.process.pid == worker
