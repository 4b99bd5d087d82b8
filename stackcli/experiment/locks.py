"""Locks that die with their process."""

from filelock import FileLock, Timeout


def acquire_lock(lock: FileLock, *, seconds: float = -1) -> bool:
    """Whether this process holds the lock after at most so many seconds (-1: however many it takes). A lock dies with
    its process. True where the file system has no locks."""
    try:
        lock.acquire(timeout=seconds, poll_interval=0.02)
    except Timeout:
        return False
    except NotImplementedError:
        return True
    return True
