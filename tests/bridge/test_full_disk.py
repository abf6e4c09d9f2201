"""A disk that takes nothing more, in the middle of an upload or of a job: it is said, costs nobody else anything, and is over when
there is room again. STEMWEAVE_ROUNDS=20 for the long run."""

import resource
import time

import numpy as np
import pytest
from support.servers import PATIENCE, ROUNDS, killable, song, until

from bridge.client import Client
from bridge.errors import RemoteError
from bridge.ports import free_port
from engine.request import MIXTURE, Request

SMALL, LARGE = song(2000), song(150_000)  # 16 kB, 1.2 MB
ENDLESS = resource.RLIM_INFINITY


def room(process: int, size: int) -> None:
    """A file of the process may have so many bytes, which is an error like the one of a full disk beyond."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, ENDLESS))


def test_jobs_on_a_full_disk_are_told_so_and_lost_or_damaged_is_none(tmp_path):
    port, folder, right = free_port(), tmp_path / "jobs", 0

    def ask(client: Client, music: np.ndarray, keep: bool = True) -> bool:
        while True:
            try:
                stems = client.perform(Request.of(44_100, [(MIXTURE, music)]), "separate", keep=keep)
                break
            except RemoteError as error:
                if error.code != "limit":  # many rounds ask for more jobs a second than a client may
                    raise
                time.sleep(0.2)
        return all(np.array_equal(stem, music / 2) for stem in stems.values())

    with killable(port, tmp_path, folder) as server, Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE) as client:
        worker = until(lambda: client.status(PATIENCE).worker, "the worker")
        for round_ in range(ROUNDS):
            full = (server.pid, worker)[round_ % 2]  # the upload does not fit, then the stems
            room(full, 200_000 + 40_000 * round_)
            music = LARGE * np.float32(round_ + 1)
            with pytest.raises(RemoteError, match="kept") as caught:
                ask(client, music)
            assert (caught.value.code, caught.value.retryable) == ("no_resource", True)
            assert "space" in caught.value.hint
            assert ask(client, SMALL * np.float32(round_ + 1), keep=False)  # goes on for others
            room(full, ENDLESS)
            right += ask(client, music)
        assert client.status(PATIENCE).worker == worker
    assert right == ROUNDS
    with killable(port, tmp_path, folder), Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE) as client:
        assert ask(client, SMALL)  # and what was put down of all that can be read


def test_a_ledger_that_falls_behind_costs_no_job(tmp_path):
    """It is written with each job, and its file is the first that is too large."""
    port, folder = free_port(), tmp_path / "jobs"
    with killable(port, tmp_path, folder) as server, Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE) as client:
        until(lambda: client.status(PATIENCE).worker, "the worker")
        answers = []
        for number in range(12):
            if number == 4:
                room(server.pid, (folder / "jobs.sqlite-wal").stat().st_size + 1)
            if number == 8:
                room(server.pid, ENDLESS)
            try:
                request = Request.of(44_100, [(MIXTURE, SMALL)])
                stems = client.perform(request, "separate", keep=True)
                answers.append(np.array_equal(stems["one"], SMALL / 2))
            except RemoteError as error:
                answers.append(error.code)
        assert answers == [True] * 4 + ["no_resource"] * 4 + [True] * 4
