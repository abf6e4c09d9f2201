"""A connection that is cut or falls silent in mid-transfer, and a disk that is full: the job goes on, or says what is wrong."""

import os
import socket
import threading
import uuid

import numpy as np
import psutil
import pytest
from support.cutter import Cutter
from support.servers import Speaker, song, until

from bridge.client import Client
from bridge.errors import RemoteError
from bridge.jobs import Job
from bridge.protocol import Accepted, AudioShape, Error, Submit
from bridge.server import Server


def sent(server: Server) -> float:
    """Bytes of audio, to all clients."""
    return server.metrics.sent._value.get()


WAYS = [
    ({"up": 3_000_000}, False), ({"down": 9_000_000}, False), ({"up": 100_000}, False), ({"down": 40_000}, False),
    ({"up": 900}, True), ({"down": 1500}, True), ({"down": 40_000}, True),  # no audio among them
]  # fmt: skip


@pytest.mark.parametrize(("way", "lane"), WAYS)
def test_a_link_cut_in_mid_transfer_costs_nothing(server, way, lane):
    mixture = song(1_500_000, seed=sum(way.values()))  # or the server would have it already
    cutter, before = Cutter(server.port, **way), sent(server)
    try:
        with Client(f"tcp://127.0.0.1:{cutter.port}", lane=lane) as client:
            starts: list[int] = []
            stems = client.separate(
                mixture, 44_100, overrides={"pause": 1}, on_partial=lambda start, part: starts.append(start)
            )
        assert cutter.cuts == 1
        np.testing.assert_array_equal(stems["one"], mixture / 2)
        assert starts == sorted(set(starts))
        assert sent(server) - before < 2 * mixture.nbytes + 2**22  # once, but for what was under way when it was cut
    finally:
        cutter.close()


@pytest.mark.parametrize("way", [{"up": 3_000_000}, {"down": 9_000_000}, {"down": 40_000}])
def test_a_link_that_falls_silent_without_an_end_is_left_for_a_new_one(server, way):
    """As when the cable of a laptop is pulled that has Wi-Fi as well: nobody closes the connection."""
    mixture = song(1_500_000, seed=1 + sum(way.values()))
    cutter = Cutter(server.port, **way, freezes=True)
    try:
        with Client(f"tcp://127.0.0.1:{cutter.port}", lane=False) as client:
            stems = client.separate(mixture, 44_100, overrides={"pause": 1})
        assert cutter.cuts == 1
        np.testing.assert_array_equal(stems["one"], mixture / 2)
    finally:
        cutter.close()


def test_the_server_asks_connections_that_are_quiet_whether_anybody_is_there(server):
    """A machine that vanished closes none, and each takes a file of the server's."""
    options = (socket.SO_KEEPALIVE, socket.SOL_SOCKET), (socket.TCP_KEEPINTVL, socket.IPPROTO_TCP)
    with Speaker(server.port):
        ends = [end for end in psutil.Process().net_connections("tcp") if end.raddr and end.laddr.port == server.port]
        found = [socket.socket(fileno=os.dup(end.fd)) for end in ends]
        asked = [tuple(end.getsockopt(level, option) for option, level in options) for end in found]
        for end in found:
            end.close()
    assert set(asked) == {(1, 15)}


def test_a_disk_without_room_fails_the_job_and_not_the_server(server, monkeypatch):
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        with monkeypatch.context() as patch:
            patch.setattr(Job, "note_stored", full)
            with pytest.raises(RemoteError, match="No space left") as caught:
                client.separate(song(100, seed=1), 44_100)
            assert (caught.value.code, caught.value.retryable) == ("no_resource", True)
        client.separate(song(100, seed=1), 44_100)


def test_a_fault_in_the_server_itself_costs_one_job(server, monkeypatch):
    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        with monkeypatch.context() as patch:
            patch.setattr(Job, "take", broken)
            with pytest.raises(RemoteError) as caught:
                client.separate(song(100, seed=2), 44_100)
            assert caught.value.code == "internal"
        client.separate(song(100, seed=2), 44_100)


def test_all_clients_together_have_a_limit_too(server, monkeypatch):
    monkeypatch.setattr("bridge.protocol.MAX_ALL_JOBS", 2)
    with Speaker(server.port) as one, Speaker(server.port) as other:
        for _ in range(2):
            one.say(Submit(str(uuid.uuid4()), AudioShape(44_100, 1, 10, "0" * 64)))
            one.hear(Accepted)
        other.say(Submit(str(uuid.uuid4()), AudioShape(44_100, 1, 10, "0" * 64)))
        assert other.hear(Error).code == "limit"


def test_a_job_can_be_cancelled_from_another_thread(server):
    from engine.errors import Cancelled

    job = str(uuid.uuid4())
    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        thread = threading.Thread(target=lambda: until(lambda: server.worker.job, "a start") and client.cancel(job))
        thread.start()
        with pytest.raises(Cancelled):
            client.separate(song(10), 44_100, overrides={"steps": 3000}, job=job)
    until(lambda: server.worker.job is None, "the worker lets go")
