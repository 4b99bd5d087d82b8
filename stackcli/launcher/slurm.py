"""Slurm, Yoo et al. 2003: a job array of a cluster, sent with submitit; extra `slurm`."""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt

from stackcli.launcher._mailbox import End, Mailbox, Told, check_place, enter, job_key, take_data, versions
from stackcli.launcher.base import PREEMPTED, Attempts, Executor, Outcome, Work, read_step

POLL = 2.0  # seconds between two looks at the files of the jobs
ASK = 30.0  # seconds between two questions to Slurm's accounting, which all users of a cluster share
LAG = 20.0  # seconds in which a file of a job that has ended reaches this machine
LARGEST = 1000  # jobs of an array: Slurm's MaxArraySize is 1001 unless it was changed
WAITING = ("PENDING", "RUNNING", "REQUEUED", "COMPLETING", "CONFIGURING", "SUSPENDED", "RESIZING", "REQUEUE_HOLD")
REASONS = {
    "OUT_OF_MEMORY": "it needed more than slurm.memory={memory:g} GB",
    "TIMEOUT": "slurm.time={time} minutes were over before it could save its state",
    "NODE_FAIL": "its machine failed",
    "BOOT_FAIL": "its machine did not start",
    "CANCELLED": "it was cancelled with scancel",
    "PREEMPTED": "Slurm gave its place to another job",
    "COMPLETED": "it ended without a word",
}


class Slurm(Executor):
    """A job of an array for each run. A run that Slurm is about to end, because of its time limit or for another job,
    is told `warn` seconds before; it saves its state and goes back to the queue, also when the command has ended.

    time: minutes; memory: GB; cpus, gpus: of a run; at_once: runs at once, 0 for as many as Slurm starts; setup: a line
    of shell before each run, such as 'module load cuda'. Empty texts are left to the cluster.
    """

    def __init__(
        self,
        *,
        folder: Path,
        partition: str = "",
        account: str = "",
        qos: str = "",
        time: Annotated[int, Ge(1)] = 60,
        memory: Annotated[float, Gt(0)] = 4.0,
        cpus: Annotated[int, Ge(1)] = 1,
        gpus: Annotated[int, Ge(0)] = 0,
        at_once: Annotated[int, Ge(0)] = 0,
        setup: str = "",
        warn: Annotated[int, Ge(10)] = 90,
    ) -> None:
        self.folder, self.limits = Path(folder).absolute(), {"memory": memory, "time": time}
        texts = {"partition": partition, "account": account, "qos": qos}
        self.parameters: dict[str, Any] = {key: text for key, text in texts.items() if text}
        self.parameters |= {"gpus_per_node": gpus} if gpus else {}
        self.parameters |= {"setup": [setup]} if setup else {}
        self.parameters |= {"time": time, "mem": f"{round(memory * 1024)}MB", "cpus_per_task": cpus}
        self.parameters |= {"signal_delay_s": warn, "array_parallelism": at_once or LARGEST, "job_name": "stackattn"}
        self.stopping, self.now = False, False
        self.running: dict[int, str] = {}  # job -> its id in Slurm
        self.ended: dict[int, float] = {}  # job -> when Slurm first said that it had ended
        self.boxes: list[Mailbox] = []
        self.states: dict[str, str] = {}
        self.asked = 0.0
        self.executor = self._submitter()

    def _submitter(self) -> Any:
        """Returns submitit's executor. Raises ValueError where it is not installed, and where there is no Slurm."""
        try:
            from submitit.core.logger import get_logger
            from submitit.slurm.slurm import SlurmExecutor
        except ImportError:
            missing = "launcher=slurm needs submitit, which is not installed: pip install 'stackattn[slurm]'"
            raise ValueError(missing) from None
        get_logger().setLevel(logging.ERROR)
        try:
            executor = SlurmExecutor(folder=self.folder / "slurm")
        except RuntimeError:
            raise ValueError("launcher=slurm: no srun here; run the command on a machine of a Slurm cluster") from None
        executor.update_parameters(**self.parameters)
        return executor

    # ---- the jobs

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        attempts, self.boxes, self.running = Attempts(), [Mailbox(self.folder, job_key(job)) for job in jobs], {}
        told, parts = Told(self.boxes), [take_data(job)[0] for job in jobs]
        waiting = self._adopt()
        while self.running or (waiting and not self.stopping):
            if waiting and not self.stopping:
                self._submit(work, parts, waiting)
                waiting = []
            yield from told.news(self.running)
            self._ask()
            for job in list(self.running):
                outcome = self._outcome(job, attempts, told)
                if outcome is not None:
                    yield from told.news([job])
                    del self.running[job]
                    waiting += [job] if outcome.state == "retried" else []
                    self.boxes[job].clear()
                    told.forget(job)
                    yield outcome
            if self.running and not waiting:
                time.sleep(POLL)

    def _adopt(self) -> list[int]:
        """Takes over the jobs that a command before this one sent and that Slurm still has; returns the others."""
        sent = {job: str(found) for job, box in enumerate(self.boxes) if (found := box.read("sent"))}
        states = ask_slurm(sent.values()) if sent else {}
        self.running = {job: name for job, name in sent.items() if states.get(name) in WAITING}
        for job in self.running:
            self.boxes[job].clear("stop")
        return [job for job in range(len(self.boxes)) if job not in self.running]

    def _submit(self, work: Work, parts: Sequence[Any], some: Sequence[int]) -> None:
        """Sends jobs to the queue, as one array or, of more than LARGEST, as several."""
        place = (str(Path.cwd()), versions())
        for first in range(0, len(some), LARGEST):
            chunk = some[first : first + LARGEST]
            for job in chunk:
                self.boxes[job].clear()
            calls = [(work, parts[job], self.boxes[job], place) for job in chunk]
            try:
                sent = self.executor.map_array(slurm_job, *zip(*calls, strict=True))
            except Exception as error:  # submitit raises what sbatch printed, in several classes
                raise ValueError(f"launcher=slurm: sbatch refused the runs: {str(error).strip()}") from error
            for job, ours in zip(chunk, sent, strict=True):
                self.running[job] = str(ours.job_id)
                self.boxes[job].write("sent", str(ours.job_id))
        self.asked = time.monotonic()  # accounting hears of new jobs a little later

    def _ask(self) -> None:
        """Asks Slurm for the states of the jobs, now and then."""
        if time.monotonic() - self.asked >= ASK:
            self.asked = time.monotonic()
            self.states = ask_slurm(self.running.values())

    def _outcome(self, job: int, attempts: Attempts, told: Told) -> Outcome | None:
        """What became of a job; None while it goes on, or while its last word may still be on its way."""
        found = self.boxes[job].read("end")
        if found is not None:
            end = End(*found)
            if end.state != "preempted":
                state: Literal["done", "failed"] = "done" if end.state == "done" else "failed"
                return Outcome(job, state, end.detail)
            return Outcome(job, "stopped") if self.stopping else attempts.judge(job, "preempted", end.detail, end.told)
        name = self.running[job]
        state_now = self.states.get(name, "PENDING")
        if state_now in WAITING:
            self.ended.pop(job, None)
            return None
        if time.monotonic() - self.ended.setdefault(job, time.monotonic()) < LAG:
            return None
        del self.ended[job]
        if self.stopping:
            return Outcome(job, "stopped")
        reason = REASONS.get(state_now, "its process died").format(**self.limits)
        log = f"log: {self.folder / 'slurm' / f'{name}_0_log.err'}"
        return attempts.judge(job, "lost", f"{reason} ({state_now}; {log})", told.last(job))

    def stop(self, *, now: bool = False) -> None:
        """Takes back what waits in the queue. Running jobs find the file that asks them to leave; with `now`, Slurm
        ends them."""
        self.stopping, self.now = True, now
        for job in self.running:
            with contextlib.suppress(OSError):
                self.boxes[job].write("stop", True)
        names = sorted(set(self.running.values()))
        if names:
            only = [] if now else ["--state=PENDING"]
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(["scancel", *only, *names], capture_output=True, timeout=60, check=False)
        self.asked = -ASK


def ask_slurm(names: Any) -> dict[str, str]:
    """Returns the state of each job as Slurm's accounting has it; of those that it does not know, none."""
    from submitit.slurm.slurm import SlurmInfoWatcher

    arrays = sorted({name.partition("_")[0] for name in names})
    words = [word for name in arrays for word in ("-j", name)]
    try:
        told = subprocess.run(
            ["sacct", "-o", "JobID,State,NodeList", "--parsable2", *words], capture_output=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):  # the accounting is away for a while: ask again later
        return {}
    found = SlurmInfoWatcher().read_info(told.stdout)
    return {name: row["State"].split()[0].rstrip("+") for name, row in found.items() if row.get("State")}


# ---- in the job


def slurm_job(work: Work, job: Any, box: Mailbox, place: tuple[str, dict[str, str]]) -> None:
    """Does a job in a process of Slurm. Where Slurm is about to end it, it saves its state and goes back to the queue,
    unless it got no further than the time before; everything else it leaves to the driver."""
    try:
        check_place(Path(place[0]), place[1])
    except ValueError as error:
        return box.write("end", End("failed", str(error), None))
    about_to_end = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
    end, number = enter(work, job, box, signals=(signal.SIGTERM, about_to_end))
    if end.state == "preempted" and number == about_to_end:
        before, step = box.read("left"), read_step(end.told)
        if before is None or step > before:
            box.write("left", step)
            if go_back_to_queue():
                raise SystemExit(PREEMPTED)
    box.clear("left")
    try:
        box.write("end", end)
    except TypeError as error:  # what it returned is no JSON
        box.write("end", End("failed", f"TypeError: {error}", end.told))


def go_back_to_queue() -> bool:
    """Asks Slurm to start this job again from the queue; returns whether Slurm agreed."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    try:
        done = subprocess.run(["scontrol", "requeue", name], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
