"""Where uploaded audio is written and hashed: a thread of its own, so that no disk and no checksum holds up anybody's messages."""

import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from bridge.jobs import INPUT, Job

MOST = 32  # chunks that wait for the disk; then their server waits too
TOGETHER = 4  # chunks the server is woken for, while there are more to write


class Intake:
    """Of one server. What was put in is written in that order, and then said to be."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[bytes, Job, int, BinaryIO, bytes | memoryview] | None] = queue.Queue(MOST)
        self._written: deque[tuple[bytes, Job, int, int]] = deque()
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._thread = threading.Thread(target=self._run, daemon=True, name="stemweave-intake")
        self._thread.start()

    def fileno(self) -> int:
        """Readable when something was written."""
        return self._bell.fileno()

    def put(self, client: bytes, job: Job, payload: bytes | memoryview) -> None:
        """The next chunk of a job, which its client sent. OSError where its file cannot be opened.

        It is opened here, where the job is known to be there: later another one may have its name."""
        file = open(job.order.folder / INPUT, "ab")  # noqa: SIM115  the thread closes it
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
        while piece := self._waiting.get():
            client, job, acceptance, file, payload = piece
            try:
                with file:
                    if job.trouble is None:  # or there would be a gap
                        file.write(payload)
                job.upload_hash.update(payload)
            except Exception as error:
                job.trouble = error
            self._written.append((client, job, acceptance, len(payload)))
            if self._waiting.empty() or len(self._written) >= TOGETHER:
                with suppress(BlockingIOError):  # it was pressed often enough
                    self._button.send(b"\0")
