"""Ray, Moritz et al. 2018, arXiv:1712.05889: machines of a Ray cluster, or a local one of its own; extra `ray`."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from stackcli.launcher._mailbox import End, Mailbox, Told, check_place, enter, job_key, take_data, versions
from stackcli.launcher.base import Attempts, Executor, Outcome, Work

POLL = 0.5  # seconds between two looks at what jobs report


class Ray(Executor):
    """A Ray task for each run. Ray places the tasks; what a death takes is tried again here, so that it tries nothing
    again by itself.

    address: of a running cluster, `auto` for that of this machine; empty: a cluster of this machine alone, bound to
    127.0.0.1, that ends with the command. cpus, gpus, memory (GB): what a run takes of its machine; 0 GB: not counted.
    at_once: runs at once; 0: as many as the cluster has room for.
    """

    def __init__(
        self,
        *,
        workers: int,
        folder: Path,
        address: str = "",
        cpus: Annotated[float, Ge(0)] = 1.0,
        gpus: Annotated[float, Ge(0)] = 0.0,
        memory: Annotated[float, Ge(0)] = 0.0,
        at_once: Annotated[int, Ge(0)] = 0,
    ) -> None:
        if address.startswith("ray://"):
            raise ValueError(
                f"ray.address={address}: run the command on a machine of the cluster with ray.address=auto"
            )
        self.workers, self.folder, self.address = workers, Path(folder).absolute(), address
        self.needs: dict[str, float] = {"num_cpus": cpus, "num_gpus": gpus}
        self.needs |= {"memory": int(memory * 1e9)} if memory else {}
        self.at_once, self.stopping, self.now = at_once, False, False
        self.running: dict[Any, int] = {}  # reference -> job
        self.boxes: list[Mailbox] = []
        self.told = Told([])
        self.ray: Any = None
        self.stdout: Any = None
        _import_ray(own=not address)

    # ---- the cluster

    def warm(self) -> None:
        """Connects to the cluster, or starts one. Until `close`, what Ray prints on stdout goes to stderr."""
        if self.ray is not None:
            return
        ray = _import_ray(own=not self.address)
        _check_address(self.address)
        handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}  # Ray sets its own
        self.stdout, sys.stdout = sys.stdout, sys.stderr
        own = {"num_cpus": max(1, round(self.workers * self.needs["num_cpus"])), "include_dashboard": False}
        try:
            ray.init(
                address=self.address or "local",
                log_to_driver=False,
                logging_level="ERROR",
                ignore_reinit_error=True,
                **({} if self.address else own),
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            self.close()
            why = str(error).strip().partition("\n")[0]
            hint = "; all machines need the same token and the same Ray" if self.address else ""
            raise ValueError(f"ray.address={self.address}: {why}{hint}") from error
        finally:
            for number, handler in handlers.items():
                with contextlib.suppress(ValueError):  # not in the main thread
                    signal.signal(number, handler)
        self.ray = ray
        self._check_room()

    def _check_room(self) -> None:
        """Raises ValueError for runs that fit no machine of the cluster: Ray would wait for ever for one that does."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        units = {
            "cpus": ("num_cpus", "CPU", 1.0),
            "gpus": ("num_gpus", "GPU", 1.0),
            "memory": ("memory", "memory", 1e9),
        }
        for key, (need, name, unit) in units.items():
            least = self.needs.get(need, 0)
            most = max((node.get(name, 0) for node in nodes), default=0)
            if least and least > most:
                self.close()
                has = f"no machine of the cluster has so much; the largest has {most / unit:.3g}"
                raise ValueError(f"ray.{key}={least / unit:g}: {has}")

    def close(self) -> None:
        if self.ray is not None:
            self.ray.shutdown()  # a cluster that was there before goes on
        self.ray = None
        if self.stdout is not None and sys.stdout is sys.stderr:
            sys.stdout = self.stdout
        self.stdout = None

    # ---- the jobs

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        self.warm()
        attempts, self.boxes = Attempts(), [Mailbox(self.folder, job_key(job)) for job in jobs]
        self.told = Told(self.boxes)
        waiting, task = list(range(len(jobs)))[::-1], self._task()
        parts, shared = _shared(jobs, self.ray.put)
        place = (str(Path.cwd()), versions())
        while self.running or (waiting and not self.stopping):
            while waiting and not self.stopping and len(self.running) < (self.at_once or len(jobs)):
                job = waiting.pop()
                self.boxes[job].clear()
                reference = task.remote(work, parts[job], self.boxes[job], place, shared[job])
                self.running[reference] = job
            ready, _ = self.ray.wait(list(self.running), num_returns=len(self.running), timeout=POLL)
            yield from self.told.news(self.running.values())
            for reference in ready:
                job = self.running.pop(reference)
                yield from self.told.news([job])
                outcome = self._outcome(job, reference, attempts)
                waiting += [job] if outcome.state == "retried" else []
                self.boxes[job].clear()
                self.told.forget(job)
                yield outcome

    def _task(self) -> Any:
        return self.ray.remote(**self.needs, max_retries=0)(remote_job)

    def _outcome(self, job: int, reference: Any, attempts: Attempts) -> Outcome:
        """What became of a task that has ended."""
        errors = self.ray.exceptions
        try:
            end = End(*self.ray.get(reference))
        except errors.RayTaskError as error:  # what the job returned cannot be sent, or a machine lacks stackattn
            return Outcome(job, "failed", str(error))
        except errors.RayError as error:
            if self.stopping:
                return Outcome(job, "stopped")
            return attempts.judge(job, "lost", describe_death(error), self.told.last(job))
        if end.state == "preempted":
            detail = f"{end.detail} (not our request)"
            return Outcome(job, "stopped") if self.stopping else attempts.judge(job, "preempted", detail, end.told)
        state: Literal["done", "failed"] = "done" if end.state == "done" else "failed"
        return Outcome(job, state, end.detail)

    def stop(self, *, now: bool = False) -> None:
        self.stopping, self.now = True, now
        for reference, job in list(self.running.items()):
            if now or self.told.last(job) is None:  # one that waits for room is taken back
                with contextlib.suppress(Exception):  # it has just ended
                    self.ray.cancel(reference, force=now)
            else:
                with contextlib.suppress(OSError):
                    self.boxes[job].write("stop", True)


def _shared(jobs: Sequence[Any], put: Any) -> tuple[list[Any], list[Any]]:
    """Returns the jobs without their data, and for each where its data are: a data set is sent to a machine once."""
    split = [take_data(job) for job in jobs]
    sent = {id(data): put(data) for data in {id(data): data for _, data in split if data is not None}.values()}
    return [job for job, _ in split], [sent.get(id(data)) for _, data in split]


def remote_job(work: Work, job: Any, box: Mailbox, place: tuple[str, dict[str, str]], data: Any) -> tuple[Any, ...]:
    """Does a job in a process of Ray."""
    from dataclasses import replace

    check_place(Path(place[0]), place[1])
    job = job if data is None else replace(job, loaded=data)
    end, _ = enter(work, job, box, signals=(signal.SIGTERM,))
    return tuple(end)


def describe_death(error: Any) -> str:
    """How a task ended that said nothing more, in a few words."""
    kind = type(error).__name__
    if kind == "OutOfMemoryError":
        return "Ray ended it because its machine was out of memory"
    if kind in ("NodeDiedError", "LocalRayletDiedError"):
        return "its machine left the cluster"
    return f"its process died ({kind})"


def _check_address(address: str) -> None:
    """Raises ValueError where nothing answers at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ValueError(f"ray.address={address}: nothing answers there ({error}); see ray status") from None


def _import_ray(*, own: bool) -> Any:
    """Returns the library. `own`: for a cluster of this machine alone, which must not listen to others; Ray reads this
    as it is imported. Raises ValueError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if own:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise ValueError("launcher=ray needs Ray, which is not installed: pip install 'stackattn[ray]'") from None
    return ray
