"""Workers on a Ray cluster of this machine: the same jobs, cancelled, failing, and going on where a worker was killed."""

import os
import signal
import sys
import threading

import numpy as np
import pytest
from support.servers import address, running, song, until

from bridge.client import Client
from bridge.errors import BridgeError, RemoteError
from bridge.server import Server
from engine.errors import Cancelled


@pytest.fixture(scope="module")
def server():
    with running("support.jobs:signed", workers="ray") as server:
        yield server


def signatures(server: Server) -> list[int]:
    """Processes that worked on the job that runs."""
    job = server.worker.job  # which may be another, or none, at the next look
    try:
        return [int(line) for line in (job.order.folder / "signed").read_text().split()] if job else []
    except FileNotFoundError:
        return []


def test_jobs_are_done_fail_and_are_cancelled_as_by_a_local_worker(server):
    music, seen = song(5000), []
    with Client(address(server)) as client:
        assert np.array_equal(client.separate(music, 44100, on_progress=seen.append)["one"], music / 2)
        assert seen[-1] == 1
        with pytest.raises(RemoteError, match="torn") as caught:
            client.separate(music, 44100, overrides={"seed": 15})
        assert (caught.value.code, caught.value.hint) == ("bad_audio", "Splice it.")
        with pytest.raises(Cancelled):
            client.separate(music, 44100, overrides={"seed": 17}, cancelled=lambda: bool(signatures(server)))


def test_a_job_whose_worker_is_killed_is_finished_by_the_other(server, tmp_path):
    music, result = song(5000), {}

    def ask():
        with Client(address(server)) as client:
            result.update(client.separate(music, 44100, overrides={"hold": str(tmp_path / "go on")}))

    thread = threading.Thread(target=ask)
    thread.start()
    (victim,) = until(lambda: signatures(server), "a worker to begin")
    os.kill(victim, signal.SIGKILL)
    victims = until(lambda: len(signatures(server)) > 1 and signatures(server), "the other worker to begin")
    (tmp_path / "go on").touch()
    thread.join()
    assert victims[0] == victim != victims[1]
    assert np.array_equal(result["one"], music / 2)


def test_without_ray_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "bridge.ray_workers", raising=False)
    with pytest.raises(BridgeError, match="not installed") as caught:
        Server(port=0, workers="ray")
    assert "pip install 'stemweave[ray]'" in caught.value.hint


def test_workers_of_no_kind_are_refused():
    with pytest.raises(BridgeError, match="no workers called 'elves'"):
        Server(port=0, workers="elves")
