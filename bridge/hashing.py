"""SHA-256 in a thread of its own, so that what is sent or taken does not wait for it."""

import queue
import threading
import weakref
from typing import Any

MOST = 4  # pieces that wait; then whoever brings more waits too


class Hashing:
    """Of one transfer, which may have several hashes going. The thread ends when nobody has this any more."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[Any, memoryview] | None] = queue.Queue(MOST)
        threading.Thread(target=_run, args=(self._waiting,), daemon=True, name="stemweave-hashing").start()
        weakref.finalize(self, self._waiting.put, None)

    def update(self, sha: Any, piece: memoryview) -> None:
        """The next bytes of a hash, which stay as they are until they were taken in."""
        self._waiting.put((sha, piece))

    def finish(self) -> None:
        """Wait until all is taken in."""
        self._waiting.join()


def _run(waiting: queue.Queue) -> None:
    while (work := waiting.get()) is not None:
        sha, piece = work
        sha.update(piece)
        del sha, piece, work  # whoever waits for a piece to be free shall not wait for the next one
        waiting.task_done()
