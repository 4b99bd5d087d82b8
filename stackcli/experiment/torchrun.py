"""The processes of `torchrun`: process 0 runs the command, the others wait for its runs and train them with it.

    torchrun --nproc-per-node 2 -m stackcli train depth=16

They meet through the store of torchrun's agent. Process 0 leaves there each run that is to be trained, and at the end
its exit code, with which all leave.
"""

import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any

from stackcli.experiment.identity import ConflictError
from stackcli.launcher.base import PREEMPTED, Executor, Outcome, Say, Stop, Work

POLL = 0.1  # seconds
LOST = 1  # exit code of a process whose run failed
RUNS = count()


def process_count() -> int:
    """Returns how many processes torchrun started; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def process_rank() -> int:
    """Returns which of them this is."""
    return int(os.environ["RANK"]) if process_count() > 1 else 0


def add_devices(words: Sequence[str]) -> tuple[str, ...]:
    """Returns the settings typed, with the devices that torchrun started where none are typed. Raises ConflictError for
    another number."""
    typed = [word.partition("=")[2] for word in words if word.partition("=")[0] == "devices"]
    started = process_count()
    if started == 1 or (typed and typed[-1] == str(started)):
        return tuple(words)
    if typed:
        raise ConflictError(
            f"devices={typed[-1]}: torchrun started {started} processes; write devices={started}, or leave it out"
        )
    return (*words, f"devices={started}")


@cache
def open_store() -> Any:
    """Returns the store in which the processes of this attempt of torchrun meet."""
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    from stackcli.training.processes import TIMEOUT

    here = os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]
    if here and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"stackattn-{attempt}", TCPStore(host, port, is_master=False, timeout=TIMEOUT))


def train_as_first(job: Any, say: Say, stop: Stop) -> None:
    """Trains a run as process 0, with the others. Exits with 75 where all saved and stopped."""
    number = next(RUNS)
    open_store().set(f"run-{number}", pickle.dumps(job))
    train_as_member(job, say, stop, number)


def train_as_member(job: Any, say: Say, stop: Stop, number: int) -> None:
    """Trains a run, the same in all processes. number: of the run in this command."""
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

    from stackcli.experiment.store import Store
    from stackcli.experiment.worker import train_reported
    from stackcli.training.processes import join_processes, leave_processes

    meeting = PrefixStore(f"meeting-{number}", open_store())
    processes = join_processes(job.config.device, meeting, rank=process_rank(), size=process_count())
    train_reported(job, Store(job.store, create=False), say, stop, processes)
    leave_processes()


def tell_others(code: Any) -> None:
    """Leaves the exit code of the command to the other processes."""
    if process_count() > 1 and process_rank() == 0:
        number = code if isinstance(code, int) else int(code is not None)
        open_store().set("end", str(number))


def follow_first() -> int:
    """What processes but the first do: train what it trains, silently, and return its exit code. Where one is asked to
    stop during a run, all save and stop."""
    asked = list[bool]()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 0 has it too
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    store = open_store()
    for number in count():
        while not store.check([f"run-{number}"]):
            if store.check(["end"]):
                return int(store.get("end"))
            if asked:
                return PREEMPTED
            time.sleep(POLL)
        job = pickle.loads(store.get(f"run-{number}"))
        try:
            train_as_member(job, lambda _: None, lambda: bool(asked), number)
        except SystemExit:
            asked.clear()  # all have stopped, and process 0 leaves its exit code
        except Exception:
            print(f"process {process_rank()}:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            return LOST
    raise AssertionError


class Together(Executor):
    """Trains runs one after another in this process, in a thread beside that which shows them."""

    here = True

    def __init__(self) -> None:
        self.asked = False

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        for number, job in enumerate(jobs):
            if self.asked:
                return
            yield Outcome(number, "started")
            said: queue.Queue[Outcome] = queue.Queue()
            threading.Thread(target=self._train, args=(work, number, job, said), daemon=True).start()
            state = "progress"
            while state == "progress":
                try:
                    outcome = said.get(timeout=POLL)  # signals are handled between two
                except queue.Empty:
                    continue
                if outcome.state == "preempted" and not self.asked:
                    os.kill(os.getpid(), signal.SIGTERM)  # another process had it, and all of them leave
                    time.sleep(0)
                state = outcome.state
                yield Outcome(number, "stopped", outcome.detail) if state == "preempted" else outcome

    def _train(self, work: Work, number: int, job: Any, said: "queue.Queue[Outcome]") -> None:
        try:
            done = work(job, lambda detail: said.put(Outcome(number, "progress", detail)), lambda: self.asked)
            said.put(Outcome(number, "done", done))
        except SystemExit as left:
            said.put(Outcome(number, "preempted" if left.code == PREEMPTED else "lost", f"exit code {left.code}"))
        except BaseException:
            said.put(Outcome(number, "failed", traceback.format_exc()))

    def stop(self, *, now: bool = False) -> None:
        if now:
            os._exit(PREEMPTED)
        self.asked = True


def build_together(command: str, launcher: str) -> Together:
    """Returns the executor under torchrun. Raises ValueError for other commands than train, and other launchers."""
    if command != "train":
        raise ValueError(f"{command}: torchrun trains one run; write torchrun ... -m stackcli train, or leave it out")
    if launcher != "local":
        raise ValueError(f"launcher={launcher}: torchrun has started the processes; leave launcher out")
    return Together()
