"""Keeps worker processes from running the user's script."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

LOCK = threading.Lock()


@contextlib.contextmanager
def hide_main_module() -> Iterator[None]:
    """Inside the block a process that multiprocessing starts is not told where the main module lies.

    It would import that module first, and so run a script without `if __name__ == "__main__":` again, which starts
    processes itself. Our workers need nothing of it: what they are sent is found by the names of our modules."""
    main = vars(sys.modules["__main__"])
    with LOCK:
        kept: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
        try:
            main.update(dict.fromkeys(kept))  # None is what an interactive session has
            yield
        finally:
            main.update(kept)
