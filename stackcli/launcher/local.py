"""Processes of this machine, one for each run: forkserver with PyTorch loaded once where there is one, else spawn."""

import contextlib
import multiprocessing as mp
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from stackcli.common.main_module import hide_main_module
from stackcli.common.memory import keep_freed_memory
from stackcli.common.signals import handle_signals
from stackcli.launcher.base import PREEMPTED, Attempts, Executor, Outcome, State, Work

ENDS = 10.0  # seconds that a process which has said its last, or was killed, may take to end


class Local(Executor):
    """At most `workers` processes at once. A killed process is seen at once and its job tried once more; one that
    somebody else asked to stop is tried again as long as it makes progress.

    `preload`: modules that are loaded once, before the first run, and shared by all: what is loaded cannot change while
    the runs go on."""

    here = True

    def __init__(self, *, workers: int, preload: Sequence[str]) -> None:
        self.workers, self.stopping, self.now = workers, False, False
        method = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
        self.context: Any = mp.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(list(preload))
        self.running: dict[int, tuple[BaseProcess, Connection]] = {}
        self.told: dict[int, Any] = {}  # what each job reported last

    def warm(self) -> None:
        """Begins to load PyTorch in the process that the runs are forked from, while the driver does other things. That
        process ignores Ctrl-C, which would end it with a traceback while it loads."""
        if self.context.get_start_method() == "forkserver":
            from multiprocessing.forkserver import ensure_running

            with handle_signals([signal.SIGINT], signal.SIG_IGN):  # inherited
                ensure_running()

    def stop(self, *, now: bool = False) -> None:
        self.stopping, self.now = True, now
        for process, pipe in list(self.running.values()):
            self._ask(process, pipe)

    def _ask(self, process: BaseProcess, pipe: Connection) -> None:
        """Asks by a message, not by a signal: Windows has none that a process could answer by saving."""
        if self.now:
            process.kill()
        else:
            with contextlib.suppress(OSError):  # it has just ended
                pipe.send("stop")

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        self.warm()
        waiting, attempts = list(range(len(jobs)))[::-1], Attempts()
        self.told.clear()
        while self.running or (waiting and not self.stopping):
            while waiting and len(self.running) < self.workers and not self.stopping:
                job = waiting.pop()
                self._start(work, job, jobs[job])
                yield Outcome(job, "started")
            for outcome in self._listen():
                if outcome.state in ("lost", "preempted") and not self.stopping:
                    told = self.told.get(outcome.job)
                    outcome = attempts.judge(outcome.job, outcome.state, outcome.detail, told)
                    waiting += [outcome.job] if outcome.state == "retried" else []
                yield outcome

    def _start(self, work: Work, job: int, payload: Any) -> None:
        ours, theirs = self.context.Pipe(duplex=True)
        process = self.context.Process(target=_enter, args=(work, payload, theirs), daemon=True)
        start_process(process)
        theirs.close()
        self.running[job] = (process, ours)
        if self.stopping:  # asked while the process was being started
            self._ask(process, ours)

    def _listen(self) -> Iterator[Outcome]:
        """What the running jobs have said, and which have ended."""
        by_pipe = {pipe: job for job, (_, pipe) in self.running.items()}
        for pipe in wait(list(by_pipe), timeout=0.5):
            job = by_pipe[pipe]  # type: ignore[index]
            try:
                state, detail = self.running[job][1].recv()
            except (EOFError, OSError):
                state, detail = "lost", None
            if state == "progress":
                self.told[job] = detail
                yield Outcome(job, "progress", detail)
                continue
            process, connection = self.running.pop(job)
            process.join(ENDS)
            connection.close()
            if state == "lost":
                state, detail = self._ended(process.exitcode), describe_end(process.exitcode)
            yield Outcome(job, state, detail)

    def _ended(self, code: int | None) -> State:
        """What became of a job whose process said nothing more."""
        if self.stopping and (code == PREEMPTED or self.now):
            return "stopped"
        return "preempted" if code == PREEMPTED else "lost"


def start_process(process: BaseProcess) -> None:
    """Starts a process. Where the fork server was killed, a new one is started first. Raises OSError where no process
    can be started."""
    for left in (2, 1, 0):
        try:
            with hide_main_module():
                return process.start()
        except (EOFError, OSError) as error:
            if not left:
                raise OSError(f"no process for a run can be started: {error}") from error


def describe_end(code: int | None) -> str:
    """How a process ended that said nothing."""
    if code == PREEMPTED:
        return "its process was asked to stop by a signal that was not ours"
    return f"its process died (exit code {code})"


def _enter(work: Work, payload: Any, pipe: Connection) -> None:
    """A worker's life: Ctrl-C is the driver's affair; its message, or SIGTERM, asks the loop to save and leave."""
    keep_freed_memory()
    asked: list[bool] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    last = [0.0]

    def say(detail: Any) -> None:
        stage = isinstance(detail, dict)  # which is always sent, and does not hold up the first step after it
        if stage or time.monotonic() - last[0] > 0.2:
            last[0] = last[0] if stage else time.monotonic()
            try:
                pipe.send(("progress", detail))
            except OSError:  # the driver is gone: save and leave
                asked.append(True)

    def stop() -> bool:
        try:
            asked.extend([True] * pipe.poll())
        except OSError:
            asked.append(True)
        return bool(asked)

    try:
        message: tuple[str, Any] = ("done", work(payload, say, stop))
    except SystemExit as left:
        sys.stdout.flush()
        os._exit(int(left.code or 0))
    except BaseException as error:
        message = ("failed", "".join(traceback.format_exception(error)))
    try:
        pipe.send(message)
    except OSError:  # the driver is gone
        os._exit(1)
    except Exception as error:  # what it returned cannot be sent
        pipe.send(("failed", "".join(traceback.format_exception(error))))
