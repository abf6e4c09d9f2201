"""Many senders and many messages at once: what other machines do takes nothing from this one's programs, nor a turn too long."""

from contextlib import closing

import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from support.osc import Patch

from bridge.osc.addresses import ROOT
from bridge.osc.endpoint import AT_ONCE, MOST_OF_OTHERS, MOST_REPLY_PORTS, MOST_SUBSCRIBERS, OscEndpoint

HERE, ELSEWHERE = "127.0.0.1", "203.0.113.7"


@pytest.fixture
def endpoint():
    """On loopback only: what it answers to elsewhere, the system refuses to send."""
    with closing(OscEndpoint(HERE, 0, None)) as endpoint:
        yield endpoint


def asked(endpoint: OscEndpoint, patch: Patch, *message: object) -> str:
    """The address at which a program of this machine is answered."""
    endpoint._handle(patch.socket.getsockname(), ROOT + message[0], list(message[1:]))
    return patch.next()[0]


@pytest.mark.parametrize(
    ("message", "most"), [(("/subscribe", 3600), MOST_SUBSCRIBERS), (("/reply", 9), MOST_REPLY_PORTS)]
)
def test_others_take_no_place_of_this_machines_programs(endpoint, message, most):
    with Patch(endpoint.port) as first, Patch(endpoint.port) as second, Patch(endpoint.port) as ear:
        assert asked(endpoint, first, "/subscribe") == "/subscribed"
        endpoint._handle(first.socket.getsockname(), f"{ROOT}/reply", [ear.socket.getsockname()[1]])
        assert ear.next()[0] == "/replying"
        for port in range(1, 2 * most):
            endpoint._handle((ELSEWHERE, port), ROOT + message[0], list(message[1:]))
        assert asked(endpoint, second, "/subscribe") == "/subscribed"
        endpoint._handle(first.socket.getsockname(), f"{ROOT}/ping", [])
        assert ear.next()[0] == "/pong"


def test_who_subscribed_for_a_time_that_is_over_takes_no_place(endpoint):
    with Patch(endpoint.port) as patch:
        for port in range(1, MOST_SUBSCRIBERS + 1):
            endpoint._handle(("127.0.0.1", port), f"{ROOT}/subscribe", [0])
        assert asked(endpoint, patch, "/subscribe") == "/subscribed"
        for port in range(1, MOST_SUBSCRIBERS + 1):
            endpoint._handle(("127.0.0.1", port), f"{ROOT}/subscribe", [60])
        with Patch(endpoint.port) as late:
            assert asked(endpoint, late, "/subscribe") == "/error"


class Door:
    """A socket at which these datagrams wait, all from one sender."""

    def __init__(self, host: str, *datagrams: bytes):
        self.sender, self.waiting = (host, 1), list(datagrams)

    def recvfrom(self, _: int) -> tuple[bytes, tuple]:
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.pop(0), self.sender


def pings(many: int) -> bytes:
    bundle = OscBundleBuilder(IMMEDIATELY)
    for _ in range(many):
        bundle.add_content(OscMessageBuilder(address=f"{ROOT}/ping").build())
    return bundle.build().dgram


@pytest.mark.parametrize(("host", "heard"), [(HERE, 100), (ELSEWHERE, MOST_OF_OTHERS)])
def test_of_other_machines_only_small_bundles_are_heard(endpoint, monkeypatch, host, heard):
    said = []
    monkeypatch.setattr(endpoint, "send", lambda *answer: said.append(answer))
    endpoint._receive(Door(host, pings(100)))
    assert said == [((host, 1), "/pong")] * heard


@pytest.mark.parametrize("datagram", [pings(AT_ONCE), pings(AT_ONCE)[:-1]], ids=["messages", "no OSC"])
def test_a_turn_ends_however_many_messages_a_datagram_has(endpoint, monkeypatch, datagram):
    monkeypatch.setattr(endpoint, "send", lambda *_: None)
    door = Door(HERE, datagram, datagram, datagram)
    endpoint._receive(door)
    assert len(door.waiting) == 2
    endpoint._receive(door)
    assert len(door.waiting) == 1
