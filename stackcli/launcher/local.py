"""Processes of this machine, one for each run, or one for several short runs in turn: forkserver with PyTorch loaded
once where there is one, else spawn."""

import contextlib
import importlib
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
BRIEF = 1.0  # seconds; only after a job that took less does its process take another
MOST = 50  # jobs of one process, so that what they leave behind does not add up
UNUSED = 76  # exit code of a process that was asked to stop between two jobs


class Local(Executor):
    """At most `workers` processes at once. A killed process is seen at once and its job tried once more; one that
    somebody else asked to stop is tried again as long as it makes progress.

    `preload`: modules that are loaded once, before the first run, and shared by all: what is loaded cannot change while
    the runs go on. A job that `shares` is followed by another in its process if it returned in less than BRIEF seconds;
    all other jobs have a process of their own."""

    here = True

    def __init__(self, *, workers: int, preload: Sequence[str]) -> None:
        self.workers, self.stopping, self.now = workers, False, False
        self.most, self.brief = MOST, BRIEF
        method = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
        self.context: Any = mp.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(list(preload))
        self.modules = () if method == "forkserver" else tuple(preload)  # that each process loads itself
        self.jobs: Sequence[Any] = ()
        self.waiting: list[int] = []  # the next is last
        self.again: set[int] = set()  # jobs that are tried again, in a new process
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
                pipe.send(("stop", None))

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        self.warm()
        self.jobs, self.waiting, attempts = jobs, list(range(len(jobs)))[::-1], Attempts()
        self.told.clear()
        self.again.clear()
        while self.running or (self.waiting and not self.stopping):
            while self.waiting and len(self.running) < self.workers and not self.stopping:
                job = self.waiting.pop()
                self._start(work, job)
                yield Outcome(job, "started")
            for outcome in self._listen():
                if outcome.state in ("lost", "preempted") and not self.stopping:
                    told = self.told.get(outcome.job)
                    outcome = attempts.judge(outcome.job, outcome.state, outcome.detail, told)
                if outcome.state == "retried":
                    self.waiting.append(outcome.job)
                    self.again.add(outcome.job)
                yield outcome

    def _start(self, work: Work, job: int) -> None:
        ours, theirs = self.context.Pipe(duplex=True)
        most = self.most if shares_process(self.jobs[job]) else 1
        arguments = (work, self.jobs[job], theirs, self.modules, most, self.brief)
        process = self.context.Process(target=_enter, args=arguments, daemon=True)
        start_process(process)
        theirs.close()
        self._watch(job, process, ours)

    def _watch(self, job: int, process: BaseProcess, pipe: Connection) -> None:
        """A process has a job from now on."""
        self.running[job] = (process, pipe)
        if self.stopping:  # asked while it was being started, or sent the job
            self._ask(process, pipe)

    def _hand_on(self, process: BaseProcess, pipe: Connection) -> int | None:
        """Gives a process that waits the next job; returns it. None where there is none for it: one that is tried again
        or may change its process has a new one."""
        job = self.waiting[-1] if self.waiting and not self.stopping else None
        if job is None or job in self.again or not shares_process(self.jobs[job]):
            return None
        try:
            pipe.send(("job", self.jobs[job]))
        except OSError:  # it was asked to stop meanwhile
            return None
        self.waiting.pop()
        self._watch(job, process, pipe)
        return job

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
            following = self._hand_on(process, connection) if state == "free" else None
            if following is None:
                connection.close()  # which ends a process that waits
                process.join(ENDS)
            if state == "lost":
                state, detail = self._ended(process.exitcode), describe_end(process.exitcode)
            yield Outcome(job, "done" if state == "free" else state, detail)
            if following is not None:
                yield Outcome(following, "started")

    def _ended(self, code: int | None) -> State:
        """What became of a job whose process said nothing more."""
        if self.stopping and (code in (PREEMPTED, UNUSED) or self.now):
            return "stopped"
        if code == UNUSED:  # the job had not begun, so this is no attempt at it
            return "retried"
        return "preempted" if code == PREEMPTED else "lost"


def shares_process(job: Any) -> bool:
    """Whether other jobs may come before and after this one in its process, as the job says."""
    return bool(getattr(job, "shares", False))


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
    if code in (PREEMPTED, UNUSED):
        return "its process was asked to stop by a signal that was not ours"
    return f"its process died (exit code {code})"


def _enter(work: Work, payload: Any, pipe: Connection, modules: Sequence[str], most: int, brief: float) -> None:
    """A worker's life: one job, and after one that took less than `brief` seconds the next that the driver sends, at
    most `most` of them. Ctrl-C is the driver's affair; its message, or SIGTERM, asks a job to save and leave, and a
    worker that waits to leave."""
    keep_freed_memory()
    asked, idle = list[bool](), list[bool]()

    def ask(*_: Any) -> None:
        asked.append(True)
        if idle:
            os._exit(UNUSED)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, ask)
    for name in modules:
        with contextlib.suppress(ImportError):  # as the fork server does
            importlib.import_module(name)
    for left in reversed(range(most)):
        began = time.monotonic()
        message = _work(work, payload, pipe, asked)
        goes_on = left > 0 and message[0] == "done" and time.monotonic() - began < brief
        if not _answer(pipe, ("free", message[1]) if goes_on else message) or not goes_on:
            return
        with contextlib.suppress(OSError, ValueError):  # nobody reads it
            sys.stdout.flush()
        idle.append(True)
        if asked:
            os._exit(UNUSED)
        try:
            kind, payload = pipe.recv()
        except (EOFError, OSError):  # there is no other job, or the driver is gone
            return
        if kind == "stop":
            return
        idle.clear()


def _work(work: Work, payload: Any, pipe: Connection, asked: list[bool]) -> tuple[str, Any]:
    """Does one job; returns what the driver is sent. `asked` is not empty once the job is asked to stop."""
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
        return "done", work(payload, say, stop)
    except SystemExit as left:
        sys.stdout.flush()
        os._exit(int(left.code or 0))
    except BaseException as error:
        return "failed", "".join(traceback.format_exception(error))


def _answer(pipe: Connection, message: tuple[str, Any]) -> bool:
    """Sends what became of a job; returns whether it could be sent as it is."""
    try:
        pipe.send(message)
    except OSError:  # the driver is gone
        os._exit(1)
    except Exception as error:  # what it returned cannot be sent
        pipe.send(("failed", "".join(traceback.format_exception(error))))
        return False
    return True
