"""An action that is repeated while other work goes on."""

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def repeat_action(action: Callable[[], None], *, seconds: float) -> Iterator[None]:
    """Inside the block calls `action` in a thread of its own, every so many seconds. What it raises ends the calls and
    nothing else."""
    ended = threading.Event()

    def beat() -> None:
        with contextlib.suppress(Exception):
            while not ended.wait(seconds):
                action()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5.0)
