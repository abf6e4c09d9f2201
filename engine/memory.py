"""Memory: how many items of a batch a GPU has room for, asked before they are computed, and how to tell that there was none.

What an item takes is seen at the first of its kind, which is computed alone. Of the processor's nobody asks: it has little to gain
from large batches, and what other programs will take there cannot be known.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch

NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
)
"""What torch and onnxruntime say, in errors that have no type of their own."""


def out_of_memory(error: BaseException) -> bool:
    """Whether it means that memory ran out, of the machine or of the device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)
    )


SPARE = 0.9  # of what is free: it lies in pieces, and not all of them can be used

_taken: WeakKeyDictionary[object, dict[Hashable, int]] = WeakKeyDictionary()
"""Bytes an item takes, by denoiser and kind of work."""


class Gauge:
    """Of one GPU: what is free, and the most that was taken since the gauge was made, both in bytes."""

    def __init__(self, device: str):
        self.device = torch.device(device)
        torch.cuda.reset_peak_memory_stats(self.device)
        self.held, self.left = torch.cuda.memory_allocated(self.device), torch.cuda.mem_get_info(self.device)[0]

    def free(self) -> int:
        """With what torch keeps for itself and does not use."""
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return torch.cuda.mem_get_info(self.device)[0] + kept

    def taken(self) -> int:
        """By torch; or by others that keep what they took, as onnxruntime does."""
        by_torch = torch.cuda.max_memory_allocated(self.device) - self.held
        return max(by_torch, self.left - torch.cuda.mem_get_info(self.device)[0])


def gauge(device: str) -> Gauge | None:
    """Of `device`; None where it is no GPU of CUDA's."""
    return Gauge(device) if device.startswith("cuda") else None


def room(denoiser: object, kind: Hashable, device: str, items: int) -> int:
    """How many of `items`, 1 or more, to compute at once: all where nobody can tell, one where none of the kind was seen yet."""
    here = gauge(device)
    if here is None or items == 1:
        return items
    each = _taken.get(denoiser, {}).get(kind)
    return 1 if each is None else max(1, min(items, int(SPARE * here.free() / max(1, each))))


@contextmanager
def seen(denoiser: object, kind: Hashable, device: str, items: int) -> Iterator[None]:
    """Inside, `items` of a kind are computed: what one took is remembered, if it is the first time."""
    known = _taken.setdefault(denoiser, {})
    here = None if kind in known else gauge(device)
    yield
    if here:
        known[kind] = here.taken() // items
