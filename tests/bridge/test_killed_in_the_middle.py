"""Jobs that are killed in the middle go on from the chunks that were finished. STEMWEAVE_ROUNDS=20 for the long run."""

import os
import signal
import threading
import uuid

import numpy as np
import psutil
import pytest
from support.models import write_tiny_model
from support.servers import PATIENCE, ROUNDS, is_alive, killable, running, song, until

from bridge.client import Client
from bridge.jobs import CHUNKS
from bridge.ports import free_port
from engine.request import MIXTURE, Request

MUSIC = song(160_000, channels=1) / 10
OVERRIDES = {"model": "tiny", "backend": "torch", "batch": 1}


class Calls:
    """What `support.jobs:counted` counts, and how it is stopped in the middle."""

    def __init__(self, folder):
        self._calls, self._hold = folder / "calls", folder / "hold"

    def count(self) -> int:
        return self._calls.stat().st_size if self._calls.exists() else 0

    def hold(self, number: int) -> None:
        """The number-th call from now on waits; see `reached`."""
        self._at = self.count() + number
        self._hold.write_text(str(self._at))

    def reached(self) -> bool:
        return self.count() == self._at

    def go_on(self) -> None:
        self._hold.unlink()


@pytest.fixture
def calls(tmp_path, monkeypatch):
    write_tiny_model(tmp_path / "models" / "tiny")
    monkeypatch.setenv("STEMWEAVE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("STEMWEAVE_CALLS", str(tmp_path))
    return Calls(tmp_path)


def asked(port: int, found: list) -> None:
    with Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE) as client:
        request = Request.of(22_050, [(MIXTURE, MUSIC)])
        found.append(client.perform(request, "separate", OVERRIDES, job=str(uuid.uuid4()), keep=True))


def assert_same(stems: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert set(stems) == set(others)
    for name, stem in stems.items():
        np.testing.assert_array_equal(stem, others[name])


def test_a_job_whose_worker_is_killed_goes_on_from_its_chunks(tmp_path, calls):
    found: list[dict[str, np.ndarray]] = []
    with running("support.jobs:counted", folder=tmp_path / "jobs", gone_after=PATIENCE) as server:
        asked(server.port, found)
        alone = calls.count()
        for round_ in range(ROUNDS):
            before, number = calls.count(), 2 + round_ % (alone - 2)
            calls.hold(number)
            thread = threading.Thread(target=asked, args=(server.port, found))
            thread.start()
            until(calls.reached, "the middle of the job")
            os.kill(server.worker.process.pid, signal.SIGKILL)
            calls.go_on()
            thread.join(PATIENCE)
            assert calls.count() - before == alone + 1  # but the one it was killed in
            assert_same(found[-1], found[0])
        assert not list((tmp_path / "jobs").rglob(CHUNKS))
    assert len(found) == ROUNDS + 1


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_job_whose_server_is_killed_goes_on_from_its_chunks(round_, tmp_path, calls):
    port, folder = free_port(), tmp_path / "jobs"
    found: list[dict[str, np.ndarray]] = []
    with killable(port, tmp_path, folder, "support.jobs:counted") as server:
        asked(port, found)
        alone = calls.count()
        calls.hold(2 + round_ % (alone - 2))
        thread = threading.Thread(target=asked, args=(port, found))
        thread.start()
        until(calls.reached, "the middle of the job")
        workers = [child.pid for child in psutil.Process(server.pid).children(recursive=True)]
    until(
        lambda: not any(map(is_alive, workers)), "the orphans' end"
    )  # or one would finish its chunk for the next server
    calls.go_on()
    with killable(port, tmp_path, folder, "support.jobs:counted"):
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert_same(found[1], found[0])
        assert calls.count() == 2 * alone + 1
        until(lambda: not list(folder.rglob(CHUNKS)), "the chunks, removed")
