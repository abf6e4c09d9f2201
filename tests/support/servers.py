"""A real server on a free loopback port, in a thread of the test; its worker runs what the test names."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.ports import free_port
from bridge.server import Server

HALVES = "support.jobs:halves"


@contextmanager
def running(target: str = HALVES, **options) -> Iterator[Server]:
    """The server, its worker ready."""
    server = Server(port=free_port(), target=target, **options)
    ready = threading.Event()
    thread = threading.Thread(target=server.run, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(60), "the worker did not start"
        yield server
    finally:
        server.stop()
        thread.join(20)


def address(server: Server) -> str:
    return f"tcp://127.0.0.1:{server.port}"
