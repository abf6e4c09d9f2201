"""What a job costs is told before it begins, from what was measured; what cannot fit is refused with what to do."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.servers import PATIENCE, Speaker, address, running, song

from bridge import costs, workers
from bridge.client import Client
from bridge.costs import Costs, Peak
from bridge.folders import Folders
from bridge.jobs import Order
from bridge.protocol import Accepted, AudioShape, Error, Submit
from engine import heap


@pytest.fixture
def server():
    with running(gone_after=PATIENCE) as server:
        yield server


def asked(speaker: Speaker, frames: int, **overrides: int) -> Accepted | Error:
    job = f"job of {frames} {overrides}"
    speaker.say(Submit(job, AudioShape(44_100, 1, frames, ""), overrides=overrides))
    return speaker.hear((Accepted, Error), job)


def test_the_first_job_of_a_kind_teaches_what_the_next_will_cost(server):
    with Speaker(server.port) as speaker:
        assert asked(speaker, 1000, pause=50).seconds == 0
        with Client(address(server)) as client:
            client.separate(song(4000, channels=1), 44_100, overrides={"pause": 50})
        half, twice = asked(speaker, 2000, pause=50), asked(speaker, 8000, pause=50, seed=3)
        assert twice.seconds == pytest.approx(4 * half.seconds)
        assert half.seconds >= 0.1  # two pieces of a pause of 50 ms
        assert asked(speaker, 8000, pause=51).seconds == 0  # another kind


def test_what_cannot_fit_is_refused_before_it_is_sent_and_the_rest_is_served(server, monkeypatch):
    with Speaker(server.port) as speaker:
        for name, words in (("free_memory", "of memory"), ("free_disk", "of disk")):
            server.costs.learn(order(1000), 1.0, 10**6, 2)
            server.costs.learn(order(2000), 2.0, 2 * 10**6, 2)
            with monkeypatch.context() as patch:
                patch.setattr(costs, name, lambda *_: 3 * 10**6)
                refused = asked(speaker, 10**6)
                assert (refused.code, refused.retryable) == ("no_resource", True)
                assert words in refused.message
                assert refused.hint
                assert isinstance(asked(speaker, 1500 + len(name)), Accepted)


def order(frames: int, **settings: float) -> Order:
    return Order("job", "separate", {}, Path(), AudioShape(44_100, 1, frames, ""), settings=settings)


def test_memory_lies_on_the_line_through_the_shortest_and_the_longest():
    found = Costs(Path())
    found.learn(order(1000), 1.0, 500, 2)
    assert found.of(order(5000)).memory == 500  # of one nobody can say how it rises
    found.learn(order(3000), 3.0, 900, 2)
    found.learn(order(2000), 9.0, 9999, 2)  # in between
    assert [found.of(order(frames)).memory for frames in (1000, 2000, 6000)] == [500, 700, 1500]
    assert found.of(order(6000)).seconds == pytest.approx(6)
    assert found.of(order(0, seconds=1.0)).seconds == pytest.approx(44.1)
    assert found.of(order(0)).memory == 0


def test_jobs_alike_say_nothing_of_how_memory_rises():
    """Two of five seconds may differ by what a library keeps; eight seconds are not refused for it."""
    found = Costs(Path())
    found.learn(order(220_500), 1.0, 5 * 10**8, 2)
    found.learn(order(221_012), 1.0, 8 * 10**8, 2)
    assert found.of(order(352_800)).memory == 8 * 10**8
    found.learn(order(442_024), 2.0, 9 * 10**8, 2)
    assert found.of(order(10**9)).memory < 4 * 10**9  # nor an hour for what ten seconds took


def test_what_is_remembered_has_an_end(monkeypatch):
    monkeypatch.setattr(costs, "KINDS", 3)
    found = Costs(Path())
    for number in range(5):
        found.learn(Order("job", f"preset {number}", {}, Path(), AudioShape(1, 1, 9, "")), 1.0, 1, 1)
    known = [found.of(Order("job", f"preset {n}", {}, Path(), AudioShape(1, 1, 9, ""))).seconds for n in range(5)]
    assert known == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("kept", [0, 80_000_000])
def test_a_peak_is_what_was_had_though_it_was_let_go(kept):
    heap.keep_memory()
    np.ones(kept, np.uint8).sum()
    peak = Peak()
    np.ones(40_000_000, np.uint8).sum()
    assert 38e6 < peak.bytes() < 120e6


def test_a_model_that_is_loaded_for_a_job_is_not_counted(monkeypatch):
    models = []

    def load(*_: object) -> tuple[SimpleNamespace, str]:
        models.append(np.ones(300_000_000, np.uint8))
        return SimpleNamespace(backend="torch"), ""

    def run(desk: workers.Desk) -> None:
        workers._prepared(desk)
        np.ones(40_000_000, np.uint8).sum()

    monkeypatch.setattr(workers, "_model", load)
    desk = workers.Desk(None, None, 1, Order("job", "separate", {}, Path()), Folders())
    kind, _, _, _, memory, _ = workers.outcome(run, desk)
    assert kind == "done"
    assert 38e6 < memory < 120e6
