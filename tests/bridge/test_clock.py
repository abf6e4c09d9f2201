"""A clock that is set forward and back: no client is gone by it, no job waits for it, nothing new is taken for the oldest.
STEMWEAVE_ROUNDS=20 for the long run."""

import threading
import time

import numpy as np
import pytest
from support.servers import ROUNDS, running, song

from bridge.client import Client
from bridge.jobs import Job, Jobs, Order
from bridge.protocol import AudioShape
from engine.request import MIXTURE, Request

TEN_YEARS = 10 * 365 * 86400.0


class Clock:
    """What time.time says: the truth and `ahead` seconds more."""

    def __init__(self, monkeypatch):
        self.ahead, true = 0.0, time.time
        monkeypatch.setattr(time, "time", lambda: true() + self.ahead)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_jobs_come_through_a_clock_that_jumps(clock, tmp_path):
    done = 0
    with running(folder=tmp_path / "jobs") as server:
        for round_ in range(ROUNDS):
            music, jumps = song(4000, seed=round_), [TEN_YEARS, -TEN_YEARS, 0.0]

            def jump(*_: object, jumps: list[float] = jumps) -> None:
                clock.ahead = jumps.pop(0) if jumps else 0.0

            with Client(f"tcp://127.0.0.1:{server.port}") as client, Client(f"tcp://127.0.0.1:{server.port}") as other:
                waits = threading.Thread(target=other.separate, args=(music, 44_100))
                waits.start()
                request = Request.of(44_100, [(MIXTURE, music)])
                stems = client.perform(request, "separate", {"pause": 20}, on_partial=jump, keep=True)
                waits.join()
                assert not jumps[:-1]
            done += all(np.array_equal(stem, music / 2) for stem in stems.values())
    assert done == ROUNDS


def test_what_was_used_last_is_the_newest_whatever_the_clock_says(clock, tmp_path):
    jobs = Jobs(tmp_path, quota=10**9)
    for number, ahead in enumerate((0.0, TEN_YEARS, 0.0, -TEN_YEARS)):
        clock.ahead = ahead
        name = f"job{number}"
        job = jobs.add(
            Job(Order(name, "separate", {}, jobs.folder_for(name), AudioShape(1, 1, 1, "")), None, keep=True)
        )
        (job.order.folder / "one.f32").write_bytes(bytes(1000))
        jobs.end(job, "done")
    jobs.close()
    again = Jobs(tmp_path, quota=2500)
    clock.ahead = 0.0
    again.make_room()
    assert sorted(again.by_id) == ["job2", "job3"]
    again.close()
