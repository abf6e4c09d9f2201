"""A bell by which a thread wakes a loop that polls."""

import socket
from contextlib import suppress


class Bell:
    def __init__(self) -> None:
        self._ear, self._button = socket.socketpair()
        self._ear.setblocking(False)
        self._button.setblocking(False)

    def fileno(self) -> int:
        """Readable when it was rung, until it is silenced."""
        return self._ear.fileno()

    def ring(self) -> None:
        """From any thread."""
        with suppress(BlockingIOError):  # it was rung often enough
            self._button.send(b"\0")

    def silence(self) -> None:
        with suppress(BlockingIOError):
            self._ear.recv(4096)

    def close(self) -> None:
        self._ear.close()
        self._button.close()
