"""What a server does on Windows, as far as that can be tried here: ZeroMQ polls no pipe there, and no open file is renamed."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from support.servers import address, running, song

from bridge import server as module
from bridge import spool
from bridge.client import Client


@pytest.fixture
def windows(monkeypatch):
    def renamed(path: Path, *_: object) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(module, "PIPE_WAKES", False)
    monkeypatch.setattr(spool, "fcntl", None)
    monkeypatch.setattr(Path, "replace", renamed)


def test_jobs_are_done_and_a_worker_that_dies_is_replaced(windows):
    with running() as server, Client(address(server)) as client:
        music = song(5000)
        np.testing.assert_array_equal(client.separate(music, 44_100)["one"], music / 2)
        os.kill(server.worker.process.pid, signal.SIGKILL)
        np.testing.assert_array_equal(client.separate(music / 2, 44_100)["one"], music / 4)
        folder = server.jobs.folder
        assert folder.exists()
    assert not folder.exists()
