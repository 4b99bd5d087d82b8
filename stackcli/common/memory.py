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
    if not sys.platform.startswith("linux") or any(name in os.environ for name in chosen):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(TRIM_THRESHOLD, MOST) and mallopt(MMAP_THRESHOLD, MOST))
