"""Where uploaded audio is written and hashed: a thread of its own, so that no disk and no checksum holds up anybody's messages."""

import ctypes
import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

from bridge.jobs import INPUT, Job
from bridge.protocol import TOGETHER

AHEAD = 2**22  # bytes to come that the disk's blocks are set aside for, up to twice
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
MOST = 32  # chunks that wait for the disk; then their server waits too


class Piece(Protocol):
    """A chunk that is read when its turn has come."""

    def __len__(self) -> int:
        """Bytes."""

    def blocks(self) -> Iterator[memoryview]:
        """Copies of its parts, each of which nobody else changes until the next is asked for."""


class Intake:
    """Of one server. What was put in is written in that order, and then said to be."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[bytes, Job, int, BinaryIO, bytes | memoryview | Piece] | None] = queue.Queue(
            MOST
        )
        self._written: deque[tuple[bytes, Job, int, int]] = deque()
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._thread = threading.Thread(target=self._run, daemon=True, name="stemweave-intake")
        self._thread.start()

    def fileno(self) -> int:
        """Readable when something was written."""
        return self._bell.fileno()

    def put(self, client: bytes, job: Job, payload: bytes | memoryview | Piece) -> None:
        """The next chunk of a job, which its client sent. OSError where its file cannot be opened.

        It is opened here, where the job is known to be there: later another one may have its name."""
        file = open(job.order.folder / INPUT, "ab", buffering=0)  # noqa: SIM115  the thread closes it
        self._waiting.put((client, job, job.acceptance, file, payload))

    def written(self) -> Iterator[tuple[bytes, Job, int, int]]:
        """Client, job, its acceptance when it came, and bytes of what was written since, or could not be: then the job says why."""
        with suppress(BlockingIOError):
            self._bell.recv(4096)
        while self._written:
            yield self._written.popleft()

    def close(self) -> None:
        """Once all is written."""
        self._waiting.put(None)
        self._thread.join()
        self._bell.close()
        self._button.close()

    def _run(self) -> None:
        size = 0
        while piece := self._waiting.get():
            client, job, acceptance, file, payload = piece
            try:
                with file:
                    if job.trouble is None:  # or there would be a gap
                        _store(job, file, payload)
            except Exception as error:
                job.trouble = error
            self._written.append((client, job, acceptance, len(payload)))
            size += len(payload)
            if self._waiting.empty() or size >= TOGETHER:
                size = 0
                with suppress(BlockingIOError):  # it was pressed often enough
                    self._button.send(b"\0")
            del piece, job, payload  # what has ended shall not wait for the next one to be gone


def _store(job: Job, file: BinaryIO, payload: bytes | memoryview | Piece) -> None:
    """Write and hash a chunk, each part of it while it is in the processor's cache."""
    at = file.tell()
    if at == 0 or at // AHEAD < (at + len(payload)) // AHEAD:
        _reserve(file, job, (at // AHEAD + 2) * AHEAD)
    for block in [memoryview(payload)] if isinstance(payload, bytes | memoryview) else payload.blocks():
        left = block
        while len(left):
            left = left[file.write(left) :]
        job.upload_hash.update(block)


def _reserve(file: BinaryIO, job: Job, size: int) -> None:
    """Where the system can: set the disk's blocks aside for so many bytes, for to find them one by one costs as much as to write;
    not for all that was announced, which may never come. The file's size stays what was written. What does not fit is told when
    it comes."""
    if _fallocate and job.order.audio is not None:
        _fallocate(file.fileno(), KEEP_SIZE, 0, min(size, job.order.audio.frames * job.frame_bytes()))


def _of_libc(name: str) -> Any:
    """A function with the types of Linux's fallocate, or None."""
    try:
        found = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):  # another system
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return found


_fallocate = _of_libc("fallocate")
