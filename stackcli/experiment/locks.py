"""Locks that end with their process."""

from filelock import FileLock, Timeout


def acquire_lock(lock: FileLock, *, seconds: float = -1) -> bool:
    """Waits at most so many seconds for a lock (-1: without a limit); returns whether this process holds it. Returns
    True where the file system has no locks. A lock ends with its process."""
    try:
        lock.acquire(timeout=seconds, poll_interval=0.02)
    except Timeout:
        return False
    except NotImplementedError:
        return True
    return True
