"""Hostile datagrams by the thousand, and a good client in their midst. STEMWEAVE_DATAGRAMS=100000 for the long run."""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import psutil
import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from support.servers import PATIENCE, killable, song, until

from bridge.client import Client
from bridge.osc.addresses import ADDRESSES, ROOT
from bridge.ports import free_port

DATAGRAMS = int(os.environ.get("STEMWEAVE_DATAGRAMS", "4000"))
AT_ONCE = 40  # as many as the system's buffer surely holds: every one is to arrive
MIB = 2**20


def valid(address: str, *arguments: object) -> bytes:
    builder = OscMessageBuilder(address=ROOT + address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build().dgram


def flipped(random: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(random.randint(1, 8)):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def nested(random: random.Random) -> bytes:
    """Bundles within bundles, some deeper than Python's stack."""
    data = valid("/status")
    for _ in range(random.choice((3, 30, 1500))):
        data = b"#bundle\0" + bytes(7) + b"\1" + len(data).to_bytes(4, "big") + data
    return data


def hostile(count: int) -> Iterator[bytes]:
    """Random, truncated, oversized, replayed, bit-flipped and nested datagrams, the same every time."""
    rng = random.Random(0)
    arguments = [
        (),
        (1,),
        (2.5, "x"),
        ("/nowhere/a.wav", "/nowhere/out"),
        ("/nowhere", "/nowhere/out", "1", True),
        (b"blob", None, [1, [2.0]]),
    ]
    good = [valid(address, *given) for address in ADDRESSES if address != "/reply" for given in arguments]
    for _ in range(count):
        data = rng.choice(good)
        kind = rng.random()
        if kind < 0.15:
            yield rng.randbytes(rng.randrange(400))
        elif kind < 0.2:
            yield b"#bundle\0" + rng.randbytes(rng.randrange(400))
        elif kind < 0.4:
            yield data[: rng.randrange(len(data))]
        elif kind < 0.85:
            yield flipped(rng, data)
        elif kind < 0.99:
            yield data
        elif kind < 0.995:
            yield nested(rng)
        else:
            yield valid("/separate", "x" * rng.randrange(60_000), "/nowhere/out")


@pytest.fixture
def ports(tmp_path):
    """TCP and OSC port of a server in a process of its own, and that process, which lives to the end."""
    port, osc = free_port(), free_port()
    with killable(port, tmp_path, tmp_path / "jobs", osc_port=osc) as process:
        yield port, osc, psutil.Process(process.pid)
        assert process.poll() is None


def test_a_flood_of_hostile_datagrams_neither_stops_the_server_nor_makes_it_grow(ports):
    port, osc, server = ports
    sizes, descriptors = [], []
    with ExitStack() as stack:
        client = stack.enter_context(Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE))
        friend, *enemies = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(51))
        for sender in (friend, *enemies):
            sender.connect(("127.0.0.1", osc))
        friend.settimeout(PATIENCE)
        for number, data in enumerate(hostile(DATAGRAMS)):
            enemies[number % len(enemies)].send(data)
            if number % AT_ONCE == 0 or len(data) > 5000:
                friend.send(valid("/ping"))
                assert OscMessage(friend.recv(65536)).address == f"{ROOT}/pong"
            if number % (DATAGRAMS // 10) == 0:
                mixture = song(2000, seed=number)
                stems = client.separate(mixture, 44_100)
                np.testing.assert_array_equal(stems["one"] + stems["residual"], mixture)
                sizes.append(server.memory_info().rss / MIB)
                descriptors.append(server.num_fds())
        until(lambda: server.num_fds() <= descriptors[1], "as many open files as at the beginning")
    # What the first bundle of a thousand levels took, the server keeps for the next one.
    assert sizes[-1] < sizes[3] + 8
