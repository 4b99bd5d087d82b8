"""Signal handlers for a while."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def handle_signals(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    """Inside the block these signals go to `handler`, a function or SIG_IGN. Python sets handlers in the main thread
    only: in another thread nothing changes, and signals stay with whoever runs the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)  # None: a handler that Python did not set
