"""The heap of this process, where the C library is glibc; elsewhere nothing is done."""

import ctypes
import sys

MMAP_MAX, TRIM_THRESHOLD, TOP_PAD = -4, -1, -2  # of glibc's malloc.h
GROWTH = 2**26  # bytes


def keep_memory() -> None:
    """Let this process keep the memory it is done with: what it takes anew the system has to clear first, which is a fifth of a
    step of training on CPUs and a quarter of a separation in float32."""
    tune = _of_glibc("mallopt")
    if tune:
        for option, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1), (TOP_PAD, GROWTH)):
            tune(option, value)


def give_back() -> None:
    """Give the system what is kept and not used, when work is done: others may need it."""
    trim = _of_glibc("malloc_trim")
    if trim:
        trim(0)


def _of_glibc(name: str):
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
