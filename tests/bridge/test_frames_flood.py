"""Hostile ZeroMQ messages by the thousand, and a good client in their midst. STEMWEAVE_FRAMES=100000 for the long run."""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import numpy as np
import psutil
import zmq
from support.servers import PATIENCE, Speaker, killable, song

from bridge import protocol
from bridge.client import Client
from bridge.ports import free_port
from bridge.protocol import (
    AudioShape,
    Bye,
    Cancel,
    Credit,
    Error,
    Hello,
    Join,
    Message,
    Pair,
    Part,
    Ping,
    Pong,
    Status,
    Submit,
    Track,
    Welcome,
    decode,
    encode,
)

MESSAGES = int(os.environ.get("STEMWEAVE_FRAMES", "3000"))
ENEMIES = 12
AT_ONCE = 40
MIB = 2**20
JOBS = ("00000000-0000-4000-8000-000000000001", "x" * 64)


def valid() -> list[list[bytes]]:
    """A message of every kind, some of them a server's own."""
    audio, mute = AudioShape(44100, 2, 10, "ab" * 32), AudioShape(44100, 1, 0, "")
    track = Track("a", "b", "bass", 44100, 0, 10)
    said: list[Message] = [
        Ping(), Status(), Bye(), Pong("x"), Error("a", "b"), Pair("1.0"), Join("session", track), Join("other", track),
        Welcome("1", "2", "3", [], [], {}, []), Submit("song", AudioShape(44100, 2, 10, "ab" * 32), context="session"),
    ]  # fmt: skip
    for job in JOBS:
        said += [
            Submit(job, audio),
            Submit(job, audio, parts=[Part("bass", 10)], keep=True),
            Cancel(job),
            Credit(job, 8),
        ]
        said += [Submit(job, mute, "generate", {"seed": 2**53, "steps": 1e300}, seconds=1.0), Credit(job, -(2**62))]
    chunks = [protocol.chunk(job, stem, at, bytes(80)) for job in JOBS for stem in ("", "bass") for at in (0, 5, 2**60)]
    return [encode(message) for message in said] + chunks


def flipped(rng: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def hostile(count: int) -> Iterator[list[bytes]]:
    """Random, truncated, oversized, bit-flipped, replayed and nested messages, the same every time."""
    rng, good = random.Random(0), valid()
    for _ in range(count):
        frames = list(rng.choice(good))
        at, kind = rng.randrange(len(frames)), rng.random()
        if kind < 0.15:
            yield [rng.randbytes(rng.randrange(300)) for _ in range(rng.randint(1, 4))]
        elif kind < 0.35:
            yield [*frames[:at], frames[at][: rng.randrange(len(frames[at]))], *frames[at + 1 :]]
        elif kind < 0.7:
            yield [*frames[:at], flipped(rng, frames[at]), *frames[at + 1 :]]
        elif kind < 0.97:
            yield frames
        elif kind < 0.98:  # arrays in arrays, deeper than Python's stack
            yield [b"\x91" * rng.randrange(60_000)]
        elif kind < 0.99:  # lengths that are not there
            yield [rng.choice((b"\xdf", b"\xdd", b"\xdb", b"\xc6")) + b"\xff" * 4 + rng.randbytes(20)]
        elif kind < 0.995:
            yield [frames[0] + bytes(protocol.MAX_HEADER)]
        else:
            yield [frames[0], bytes(protocol.MAX_PAYLOAD + rng.randint(0, 1))]


def no_zeromq(rng: random.Random, port: int) -> None:
    """What is not even ZeroMQ: noise, or its greeting and then noise."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\0NULL" + bytes(48)
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(rng.choice((b"", greeting, greeting[:9], b"GET / HTTP/1.1\r\n\r\n")) + rng.randbytes(200))


class Enemy:
    def __init__(self, number: int, port: int):
        self.door = zmq.Context.instance().socket(zmq.DEALER)
        self.door.linger = 0
        self.door.identity = b"enemy%d" % number  # and the same when it was thrown out and is back
        self.door.connect(f"tcp://127.0.0.1:{port}")
        self.codes: set[str] = set()
        self.words: set[str] = set()
        self.close = self.door.close

    def send(self, frames: list[bytes]) -> None:
        assert self.door.poll(int(PATIENCE * 1000), zmq.POLLOUT), "the server takes nothing any more"
        self.door.send_multipart(frames)
        while self.door.poll(0):
            message, _ = decode(self.door.recv_multipart())
            if isinstance(message, Error):
                self.codes.add(message.code)
                self.words.add(message.message)


def test_a_flood_of_hostile_messages_neither_stops_the_server_nor_makes_it_grow(tmp_path):
    port, rng = free_port(), random.Random(1)
    sizes, descriptors = [], []
    with killable(port, tmp_path, tmp_path / "jobs") as process, ExitStack() as stack:
        server = psutil.Process(process.pid)
        client = stack.enter_context(Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE))
        friend = stack.enter_context(Speaker(port))
        enemies = [stack.enter_context(closing(Enemy(number, port))) for number in range(ENEMIES)]
        for number, frames in enumerate(hostile(MESSAGES)):
            enemy = enemies[number % ENEMIES]
            if number % 100 < ENEMIES:
                enemy.send(encode(Hello(protocol.VERSION)))
            enemy.send(frames)
            if number % AT_ONCE == 0:
                no_zeromq(rng, port)
                friend.say(Ping())
                friend.hear(Pong)
                friend.seen.clear()
            if number % (MESSAGES // 10) == 0:
                mixture = song(2000, seed=number)
                stems = client.separate(mixture, 44_100)
                np.testing.assert_array_equal(stems["one"] + stems["residual"], mixture)
                sizes.append(server.memory_info().rss / MIB)
                descriptors.append(server.num_fds())
        assert process.poll() is None
        told = set().union(*(enemy.codes | enemy.words for enemy in enemies))
    assert {"protocol", "damaged", "hello_first"} <= told
    assert "The server made a mistake." not in told
    assert sizes[-1] < sizes[1] + 16, sizes
    assert descriptors[-1] <= descriptors[1] + ENEMIES
