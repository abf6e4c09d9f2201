"""What uploaded audio is: its SHA-256, made by a thread of its own while the job is computed already."""

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, BinaryIO

from bridge.bell import Bell
from bridge.jobs import INPUT, OPEN, Job

BLOCK = 2**20  # bytes read at once
TURN = 16  # blocks of one song before it is another's turn


class Proofs:
    """Of one server. bell: rung when there is another."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._waiting: SimpleQueue[Song | None] = SimpleQueue()
        self._made: deque[tuple[Job, str | Exception]] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="stemweave-proofs")
        self._thread.start()

    def put(self, job: Job) -> None:
        """All of a job's audio lies in its file, and nobody writes there any more."""
        self._waiting.put(Song(job))

    def made(self) -> Iterator[tuple[Job, str | Exception]]:
        """Jobs, and what their audio's SHA-256 was found to be since, or why that cannot be said."""
        while self._made:
            yield self._made.popleft()

    def close(self) -> None:
        """Soon; what is not made is not said."""
        self._closing = True
        self._waiting.put(None)
        self._thread.join()
        while not self._waiting.empty():
            if song := self._waiting.get():
                song.close()

    def _run(self) -> None:
        room = memoryview(bytearray(BLOCK))
        while song := self._waiting.get():
            try:
                more = not self._closing and song.read(room)
                found: str | Exception = song.sha.hexdigest()
            except Exception as error:
                more, found = False, error
            if more:
                self._waiting.put(song)
                continue
            song.close()
            self._made.append((song.job, found))
            self._bell.ring()
            del song  # what has ended shall not wait for the next one to be gone


class Song:
    """One that is being hashed."""

    def __init__(self, job: Job):
        self.job, self.sha = job, hashlib.sha256()
        self._file: BinaryIO | None = None

    def read(self, room: Any) -> bool:
        """A turn; whether there is more. A job that has ended needs none."""
        file = self._file = self._file or open(self.job.order.folder / INPUT, "rb", buffering=0)  # noqa: SIM115
        for _ in range(TURN):
            size = file.readinto(room) if self.job.state in OPEN else 0  # type: ignore[attr-defined]
            if not size:
                return False
            self.sha.update(room[:size])
        return True

    def close(self) -> None:
        if self._file:
            self._file.close()
