"""Makes things in several processes of this machine at once, forked from this one, which share its data unchanged."""

import gc
import multiprocessing as mp
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from stackcli.common.main_module import hide_main_module

T = TypeVar("T")
MOST = 4  # processes; each holds what it makes besides what it shares
FEWEST = 4  # names for which processes are started


def make_each(make: Callable[[str], T], names: Sequence[str]) -> Iterator[tuple[str, Callable[[], T]]]:
    """Yields each name when it has been made, with a function that returns what `make` returned, or raises what it
    raised.

    Where processes can be forked and there are several processors, some are, and each takes the next name as soon as it
    is free, so that names come in any order; elsewhere all are made here, in their order. What failed in another
    process, or was lost with it, is made again here, so that an error is raised here with its traceback."""
    count = process_count(len(names))
    if count < 2:
        for name in names:
            yield name, partial(make, name)
        return
    waiting = list(names)[::-1]
    busy: dict[Connection, str] = {}
    with _fork(make, count) as pipes:
        for pipe in pipes:
            busy[pipe] = _give(pipe, waiting.pop())
        while busy:
            for pipe in [pipe for pipe in wait(list(busy)) if isinstance(pipe, Connection)]:
                name = busy.pop(pipe)
                answer, alive = _take(pipe)
                if alive and waiting:
                    busy[pipe] = _give(pipe, waiting.pop())
                yield name, partial(_result, answer, make, name)
        for name in waiting[::-1]:  # every process was lost
            yield name, partial(make, name)


def _result(answer: tuple[T] | None, make: Callable[[str], T], name: str) -> T:
    return make(name) if answer is None else answer[0]


def process_count(things: int) -> int:
    """Returns how many processes make so many things; 1: this one makes all."""
    if sys.platform != "linux" or things < FEWEST or mp.current_process().daemon:
        return 1  # macOS has libraries that a forked process must not use
    return min(len(os.sched_getaffinity(0)), MOST, things // 2)


def _give(pipe: Connection, name: str) -> str:
    with suppress(OSError):  # it was lost, which is seen when its answer is read
        pipe.send(name)
    return name


def _take(pipe: Connection) -> tuple[tuple[Any] | None, bool]:
    """Returns (what was made, or None where that failed; whether the process is still there)."""
    try:
        return pipe.recv(), True
    except (EOFError, OSError):
        return None, False


@contextmanager
def _fork(make: Callable[[str], Any], count: int) -> Iterator[list[Connection]]:
    """Forks processes and ends them. What is there already is left out of the collection of garbage, which would write
    to the memory that they share."""
    context = mp.get_context("fork")
    started: list[tuple[Any, Connection]] = []
    gc.freeze()
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            others = [ours, *(pipe for _, pipe in started)]
            process = context.Process(target=_serve, args=(make, theirs, others), daemon=True)
            with warnings.catch_warnings(), hide_main_module():
                warnings.simplefilter("ignore", DeprecationWarning)  # other threads only draw the progress
                process.start()
            theirs.close()
            started.append((process, ours))
        yield [pipe for _, pipe in started]
    finally:
        gc.unfreeze()
        for process, pipe in started:
            pipe.close()
            process.terminate()
        for process, _ in started:
            process.join()


def _serve(make: Callable[[str], Any], pipe: Connection, others: Sequence[Connection]) -> None:
    """A process's life: makes each name that it is given. It ends when the pipe is closed, also by the death of the
    process that forked it; Ctrl-C is the affair of that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:  # an end that is open here would hide that the other process has died
        other.close()
    with suppress(EOFError, OSError):
        while True:
            name = pipe.recv()
            try:
                answer: tuple[Any] | None = (make(name),)
            except Exception:
                answer = None
            pipe.send(answer)
