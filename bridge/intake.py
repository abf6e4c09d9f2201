"""Where uploaded audio is written: a thread of its own, so that no disk holds up anybody's messages."""

import ctypes
import os
import queue
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from bridge.bell import Bell
from bridge.jobs import INPUT, Job
from bridge.protocol import TOGETHER

AHEAD = 2**22  # bytes to come that the disk's blocks are set aside for, up to twice
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
PAUSE = 0.002  # seconds to wait for more before it is said what was written: to be told of each chunk takes as long as to write it
MOST = 32  # chunks that wait for the disk; then their server waits too


class Piece(Protocol):
    """A chunk that lies elsewhere until its turn has come."""

    def __len__(self) -> int:
        """Bytes."""

    def write_to(self, file: int) -> None:
        """A copy of it, where that file stands."""


class Intake:
    """Of one server. What was put in is written in that order, and then said to be. bell: rung when something was written."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._waiting: queue.Queue[tuple[bytes, Job, int, BinaryIO, bytes | memoryview | Piece] | None] = queue.Queue(
            MOST
        )
        self._written: deque[tuple[bytes, Job, int, int]] = deque()
        self._thread = threading.Thread(target=self._run, daemon=True, name="stemweave-intake")
        self._thread.start()

    def put(self, client: bytes, job: Job, payload: bytes | memoryview | Piece) -> None:
        """The next chunk of a job, which its client sent. OSError where its file cannot be opened.

        It is opened here, where the job is known to be there: later another one may have its name."""
        file = open(job.order.folder / INPUT, "wb", buffering=0, opener=_kept)  # noqa: SIM115  the thread closes it
        self._waiting.put((client, job, job.acceptance, file, payload))

    def written(self) -> Iterator[tuple[bytes, Job, int, int]]:
        """Client, job, its acceptance when it came, and bytes of what was written since, or could not be: then the job says why."""
        while self._written:
            yield self._written.popleft()

    def close(self) -> None:
        """Once all is written."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while True:
            try:
                piece = self._waiting.get(timeout=PAUSE if count else None)
            except queue.Empty:
                count = 0
                self._bell.ring()
                continue
            if piece is None:
                return
            client, job, acceptance, file, payload = piece
            try:
                with file:
                    if job.trouble is None:  # or there would be a gap
                        _store(job, file, payload)
            except Exception as error:
                job.trouble = error
            self._written.append((client, job, acceptance, len(payload)))
            count += 1
            if count >= TOGETHER:
                count = 0
                self._bell.ring()
            del piece, job, payload  # what has ended shall not wait for the next one to be gone


def _store(job: Job, file: BinaryIO, payload: bytes | memoryview | Piece) -> None:
    """Write a chunk at the file's end."""
    at = file.seek(0, os.SEEK_END)
    if at == 0 or at // AHEAD < (at + len(payload)) // AHEAD:
        _reserve(file, job, (at // AHEAD + 2) * AHEAD)
    if not isinstance(payload, bytes | memoryview):
        payload.write_to(file.fileno())
        return
    left = memoryview(payload)
    while len(left):
        left = left[file.write(left) :]


def _kept(path: str, flags: int) -> int:
    """Open with what lies there. Not to append: the system then would not copy to it by itself."""
    return os.open(path, flags & ~os.O_TRUNC, 0o600)


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
