"""Memory: how to tell that it ran out."""

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
