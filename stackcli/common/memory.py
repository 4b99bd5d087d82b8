"""Memory of a process that trains: what is freed is kept for the next tensor instead of being given back."""

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
MOST = 2**30  # bytes


def keep_freed_memory() -> bool:
    """Makes glibc keep freed memory in this process, so that a step does not ask the system for its pages again.

    Returns whether it did. Does nothing with another allocator, or where the environment chooses
    (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_, GLIBC_TUNABLES, LD_PRELOAD).
    """
    chosen = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")
    libc = None if any(name in os.environ for name in chosen) else find_glibc()
    return bool(libc and libc.mallopt(TRIM_THRESHOLD, MOST) and libc.mallopt(MMAP_THRESHOLD, MOST))


def give_back_memory() -> None:
    """Gives the memory that was freed back to the system, where the C library is glibc: it would keep most of it."""
    libc = find_glibc()
    if libc is not None:
        libc.malloc_trim(0)


def find_glibc() -> ctypes.CDLL | None:
    """Returns the C library of this process if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
