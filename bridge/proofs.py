"""What uploaded audio is: its SHA-256, made by a thread of its own while the job is computed already."""

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue

from bridge.bell import Bell
from bridge.jobs import INPUT, OPEN, Job

BLOCK = 2**20  # bytes read at once


class Proofs:
    """Of one server. bell: rung when there is another."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._made: deque[tuple[Job, str | Exception]] = deque()
        self._thread = threading.Thread(target=self._run, daemon=True, name="stemweave-proofs")
        self._thread.start()

    def put(self, job: Job) -> None:
        """All of a job's audio lies in its file, and nobody writes there any more."""
        self._waiting.put(job)

    def made(self) -> Iterator[tuple[Job, str | Exception]]:
        """Jobs, and what their audio's SHA-256 was found to be since, or why that cannot be said."""
        while self._made:
            yield self._made.popleft()

    def close(self) -> None:
        """Once what was put in is hashed, but for the audio of jobs that are over."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while job := self._waiting.get():
            found: str | Exception
            try:
                found = sha256_of(job)
            except Exception as error:
                found = error
            self._made.append((job, found))
            self._bell.ring()
            del job


def sha256_of(job: Job) -> str:
    """Of its audio's bytes; of those before its end, where a job ends meanwhile."""
    found, room = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with open(job.order.folder / INPUT, "rb", buffering=0) as file:
        while job.state in OPEN and (size := file.readinto(room)):
            found.update(room[:size])
    return found.hexdigest()
