"""The processes of the bridge's benchmark: a server whose jobs compute nothing, and the other end of bare transfers."""

import hashlib
import multiprocessing
import signal
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import zmq

from bridge import protocol
from bridge.client import Client
from bridge.errors import BridgeError
from bridge.ports import free_port
from bridge.workers import Desk
from engine.errors import Cancelled

RATE, CHANNELS = 44_100, 2
QUOTA = 150 * 2**20  # bytes that the server keeps of old songs
HOLD = 1  # the seed of a job that does not end by itself
PATIENCE = 300.0  # seconds for what always comes, on a busy machine late


def job(desk: Desk) -> None:
    """What a worker does here: take the song, give `seconds` of one stem, and with HOLD wait to be cancelled, asking every 20 ms as
    a sampler would between its steps."""
    order = desk.order
    desk.progress(1.0)
    frames = round(order.settings["seconds"] * RATE)
    if frames:
        desk.partial(0, {"stem": np.ones((CHANNELS, frames), np.float32)})
    while order.overrides.get("seed") == HOLD:
        time.sleep(0.02)
        if desk.cancelled():
            raise Cancelled()


def until(condition: Callable[[], Any], failed: str) -> None:
    """Wait for what comes by itself. BridgeError, in these words, when it does not."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise BridgeError(failed, "See what is wrong: stemweave doctor")
        time.sleep(0.02)


@contextmanager
def process(target: Callable, *arguments: Any) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


@contextmanager
def served() -> Iterator[str]:
    """The address of a server that is ready to work."""
    port = free_port()
    with process(_serve, port):
        address = f"tcp://127.0.0.1:{port}"
        with Client(address, timeout=PATIENCE) as client:
            until(lambda: client.status().worker, "The server of the benchmark does not start.")
        yield address


def _serve(port: int) -> None:
    """With room for little more than one song: as on a server that has run for long, what is new takes the place of what is old,
    and not memory that nobody ever used, which the host of a virtual machine first has to find."""
    from bridge.server import Server

    server = Server(port=port, target="bridge.bench.ends:job", quota=QUOTA)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run()


@contextmanager
def other_end(chunks: int) -> Iterator[dict[tuple[str, bool], Callable[[], None]]]:
    """Transfers of so many chunks between this process and another over nothing but sockets, by their way, "upload" or "download",
    and whether they have the checksums of the protocol and the audio lies in a file of the other."""
    port, payload = free_port(), bytes(protocol.CHUNK_BYTES)
    with process(_sink, port, chunks), zmq.Context() as context, context.socket(zmq.DEALER) as door:
        door.linger = 0
        door.connect(f"tcp://127.0.0.1:{port}")

        def transfer(way: str, checked: bool) -> None:
            check = _Checks() if checked else len
            door.send(b"%d%d" % (way == "upload", checked))
            for _ in range(chunks):
                if way == "upload":
                    check(payload)
                    door.send(payload)
                else:
                    check(door.recv())
            door.recv()

        yield {
            (way, checked): partial(transfer, way, checked)
            for way in ("upload", "download")
            for checked in (False, True)
        }


class _Checks:
    """Of one transfer. file: what it is written to."""

    def __init__(self, file: Any = None):
        self._sha, self._file = hashlib.sha256(), file

    def __call__(self, payload: bytes) -> None:
        zlib.crc32(payload)
        self._sha.update(payload)
        if self._file:
            self._file.write(payload)


def _sink(port: int, chunks: int) -> None:
    """The other end. A stem's SHA-256 is made when it is computed, so going out it has its CRC alone."""
    payload = bytes(protocol.CHUNK_BYTES)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as door, tempfile.TemporaryFile(buffering=0) as file:
        door.sndhwm = 0  # it drops what is beyond
        door.bind(f"tcp://127.0.0.1:{port}")
        while True:
            who, word = door.recv_multipart()
            checked = word.endswith(b"1")
            file.seek(0)
            if word.startswith(b"1"):
                check = _Checks(file) if checked else len
                for _ in range(chunks):
                    check(door.recv_multipart()[1])
            for _ in range(chunks if word.startswith(b"0") else 0):
                audio = file.read(len(payload)) if checked else payload
                if checked:
                    zlib.crc32(audio)
                door.send_multipart([who, audio])
            door.send_multipart([who, b"done"])
