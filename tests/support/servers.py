"""A real server on a free loopback port, in a thread of the test, and a client that speaks message by message."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zmq

from bridge import protocol
from bridge.client import find_server
from bridge.protocol import Hello, Message
from bridge.server import Server

HALVES = "support.jobs:halves"
ROUNDS = int(os.environ.get("STEMWEAVE_ROUNDS", "2"))  # of each fault; 20 for the long run
PATIENCE = 300.0  # seconds; a guard against hanging, never a measure of speed


def song(frames: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    """(channels, frames) float32 noise."""
    return np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something that comes by itself; its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain: {what}")


def state_of(server: Server, job: str) -> str:
    """Of one of its jobs, "" where it does not know it yet, or no more."""
    found = server.jobs.by_id.get(job)
    return found.state if found else ""


def is_ready(port: int) -> bool:
    """Whether a server answers there that can take jobs."""
    welcome = find_server(f"tcp://127.0.0.1:{port}")
    return bool(welcome and welcome.presets)


def is_alive(pid: int) -> bool:
    """Whether a process goes on: nobody may have fetched what a dead one left."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def running(target: str = HALVES, **options: Any) -> Iterator[Server]:
    """A running server, its worker ready. It takes no client for gone but by `lose_the_silent`."""
    server = Server(**{"port": 0, "target": target, "gone_after": 4 * PATIENCE} | options)
    ready = threading.Event()
    failure: list[BaseException] = []

    def run() -> None:
        try:
            server.run(ready.set)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert not failure, f"the server died of {failure[0]!r}"


def lose_the_silent(server: Server) -> None:
    """What time does: whoever has said nothing is taken for gone. Before it returns, everybody is, with what they leave behind."""
    answers, alone = server._answers, threading.Event()
    usual = answers.drop_the_gone

    def drop_everybody(looked: float, after: float) -> None:
        usual(looked, after if alone.is_set() else 0.0)
        if not answers.heard:
            alone.set()

    answers.drop_the_gone = drop_everybody
    try:
        assert alone.wait(PATIENCE)
    finally:
        del answers.drop_the_gone


SERVE = """
import sys
from pathlib import Path
from bridge.server import Server
if __name__ == "__main__":
    port, target, folder, osc_port = sys.argv[1:]
    osc = int(osc_port) if osc_port else None
    kept = Path(folder) if folder else None
    server = Server(port=int(port), osc_port=osc, target=target, folder=kept, gone_after=1200)  # a client of a test only listens
    server.stop_on_signals()
    server.run()
"""


@contextmanager
def killable(
    port: int, scratch: Path, folder: Path | None = None, target: str = HALVES, osc_port: int | None = None
) -> Iterator[subprocess.Popen]:
    """A server in a process of its own that is killed without a warning at the end, or before. folder: of jobs that outlive it."""
    script = scratch / "serve.py"
    script.write_text(SERVE, encoding="utf-8")
    told = (port, target, folder or "", osc_port or "")
    process = subprocess.Popen([sys.executable, str(script), *map(str, told)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def answering(port: int, reply: Callable[[list[bytes]], list[list[bytes]]]) -> Iterator[None]:
    """A ROUTER that is no stemweave server: says reply(frames) to whatever comes."""
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.linger = 0
    router.bind(f"tcp://127.0.0.1:{port}")
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            if router.poll(50):
                identity, *frames = router.recv_multipart()
                for answer in reply(frames):
                    router.send_multipart([identity, *answer])
        router.close()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def address(server: Server) -> str:
    return f"tcp://127.0.0.1:{server.port}"


class Speaker:
    """A client that sends exactly what the test says and remembers everything that comes back."""

    def __init__(self, port: int, hello: bool = True):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.seen: list[tuple[Message, bytes]] = []
        if hello:
            self.say(Hello(protocol.VERSION, "test"))
            self.hear(protocol.Welcome)

    def say(self, message: Message, payload: bytes | None = None) -> None:
        self.socket.send_multipart(protocol.encode(message, payload))

    def say_chunk(self, job: str, offset: int, audio: np.ndarray) -> None:
        """audio: (channels, n), sent as the frames from `offset` on."""
        payload = np.ascontiguousarray(audio.T, dtype="<f4").tobytes()
        self.socket.send_multipart(protocol.chunk(job, "", offset, payload))

    def hear(self, kind: type[Message] | tuple[type[Message], ...], job: str = "") -> Any:
        """The next message of a kind, or of one of several, others being kept in `seen`."""
        while self.socket.poll(int(PATIENCE * 1000)):
            decoded = protocol.decode(self.socket.recv_multipart())
            assert decoded is not None
            self.seen.append(decoded)
            if isinstance(decoded[0], kind) and (not job or getattr(decoded[0], "job", None) == job):
                return decoded[0]
        raise AssertionError(f"no {kind} came")

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Speaker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
