"""SHA-256 in a thread of its own, so that what is taken does not wait for it."""

import queue
import threading
import weakref
from typing import Any


class Hashing:
    """Of one transfer, which may have several hashes going. The thread ends when nobody has this any more."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[Any, memoryview] | None] = queue.Queue()
        threading.Thread(target=_run, args=(self._waiting,), daemon=True, name="stemweave-hashing").start()
        weakref.finalize(self, self._waiting.put, None)

    def update(self, sha: Any, piece: memoryview) -> None:
        """The next bytes of a hash, which stay where they are, as they are, until they were taken in."""
        self._waiting.put((sha, piece))

    def finish(self) -> None:
        """Wait until all is taken in."""
        self._waiting.join()


def _run(waiting: queue.Queue) -> None:
    while (work := waiting.get()) is not None:
        sha, piece = work
        sha.update(piece)
        waiting.task_done()
