"""What is too much is refused in words, costs nobody else anything, and is taken again when it is not too much any more."""

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.osc import Patch
from support.servers import Speaker, address, running, song, until

from bridge import limits, protocol
from bridge.client import Client
from bridge.limits import Rate
from bridge.protocol import Accepted, AudioShape, Error, Hello, Submit

NOTHING_YET = AudioShape(44_100, 1, 1000, "")


@pytest.fixture
def server(tmp_path):
    with running(osc_port=0, folders=[tmp_path]) as server:
        yield server


def answers(speaker: Speaker, count: int) -> list[str]:
    """To so many jobs that were asked for: "accepted", or the error's words."""
    jobs = [str(uuid.uuid4()) for _ in range(count)]
    for job in jobs:
        speaker.say(Submit(job, NOTHING_YET))
    found = {}
    while len(found) < count:
        message = speaker.hear(protocol.Message)
        if isinstance(message, Accepted | Error):
            found[message.job] = "accepted" if isinstance(message, Accepted) else f"{message.code}: {message.message}"
    return [found[job] for job in jobs]


def test_open_jobs_of_one_client_are_limited_and_another_has_its_own(server):
    with Speaker(server.port) as greedy:
        told = answers(greedy, protocol.MAX_JOBS + 1)
        assert told[:-1] == ["accepted"] * protocol.MAX_JOBS
        assert told[-1].startswith("limit: 16 jobs of this client")
        with Client(address(server)) as other:
            assert other.separate(song(10), 44_100)


def test_jobs_in_quick_succession_are_limited_over_both_protocols(server, tmp_path, monkeypatch):
    monkeypatch.setattr(server._limits, "_rate", Rate(a_second=0.001, at_once=3))
    with Speaker(server.port) as hasty, Patch(server._osc.port) as patch:
        told = answers(hasty, 4)
        assert told[:3] == ["accepted"] * 3
        assert told[3].startswith("limit: More than")
        for _ in range(4):
            patch.send("/generate", str(tmp_path / "out"), 1.0)
        heard = []
        while not heard or heard[-1][0] != "/error":
            heard.append(patch.next())
        assert [address for address, _ in heard].count("/job/accepted") == 3
        code, text = heard[-1][1]
        assert code == "limit"
        assert "Wait" in text


def test_clients_are_limited_and_those_there_are_stay(server, monkeypatch):
    with Speaker(server.port) as first, Speaker(server.port) as second:
        monkeypatch.setattr(limits, "CLIENTS", 2)
        with Speaker(server.port, hello=False) as third:
            third.say(Hello(protocol.VERSION))
            assert third.hear(Error).code == "limit"
            second.say(protocol.Bye())
            until(lambda: server.clients == 1, "its leave")
            first.say(protocol.Ping())
            first.hear(protocol.Pong)
            third.say(Hello(protocol.VERSION))
            third.hear(protocol.Welcome)


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.5, 20), st.integers(1, 40))
def test_no_stretch_of_time_has_more_than_the_rate_and_the_burst(gaps, a_second, at_once):
    """Against the definition: in any window of t seconds, at most at_once + t * a_second were let through."""
    rate, now = Rate(a_second, at_once), 1000.0
    let, waits = [], []
    for gap in gaps:
        now += gap / a_second
        wait = rate.wait("a", now)
        (waits if wait else let).append((now, wait))
    times = np.array([time for time, _ in let])
    for first in range(len(times)):
        counts = np.arange(1, len(times) - first + 1)
        assert np.all(counts <= at_once + (times[first:] - times[first]) * a_second + 1e-6)
    assert len(let) >= min(at_once, len(gaps))
    assert rate.wait("b", now) == 0.0  # another has a rate of its own


@given(st.floats(0.5, 20), st.integers(1, 40))
def test_who_waits_as_told_is_let_through(a_second, at_once):
    rate = Rate(a_second, at_once)
    assert [rate.wait("a", 0.0) for _ in range(at_once)] == [0.0] * at_once
    wait = rate.wait("a", 0.0)
    assert wait == pytest.approx(1 / a_second)
    assert rate.wait("a", wait * 1.001) == 0.0


def test_the_rates_of_passing_clients_are_forgotten():
    rate = Rate(a_second=5, at_once=2)
    for number in range(10_000):
        rate.wait(number, float(number))
    assert len(rate._due) <= limits.REMEMBERED + 1
