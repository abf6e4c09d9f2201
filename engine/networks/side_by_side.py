"""Items of a batch side by side, each on processor cores of its own.

Threads that share every single operation wait for one another at its end, hundreds of times a call, and what cannot be shared (the
steps of an LSTM) leaves all but one of them idle.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
_TURN = threading.Lock()  # the number of threads is one for all of a process


def side_by_side(run: Callable[[int], T], count: int) -> list[T]:
    """[run(0), ..., run(count - 1)], as many at once as torch has threads, which they share out. The first error is raised when all
    have ended. They are in inference mode where the caller is."""
    threads = torch.get_num_threads()
    at_once = min(count, threads)
    if at_once < 2:
        return [run(i) for i in range(count)]
    inference = torch.is_inference_mode_enabled()

    def there(i: int) -> T:
        with torch.inference_mode(inference):  # each thread has a mode of its own
            return run(i)

    with _TURN:
        try:
            with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(threads // at_once,)) as pool:
                return list(pool.map(there, range(count)))
        finally:
            torch.set_num_threads(threads)  # what a thread sets is also what the next new one begins with
