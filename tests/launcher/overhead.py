"""Measures what a run costs beside its training: python -m tests.launcher.overhead [local] [ray] [slurm].

A job loads what a run needs and returns. `start`: seconds until the first job has ended; `each`: seconds from there for
each further job, one at a time. Slurm is the fake one of the tests: its queue costs nothing.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stackcli.experiment.worker import preload
from stackcli.launcher.base import Executor, Say, Stop
from tests.launcher import fake_slurm

JOBS = 12


def load(job: int, say: Say, stop: Stop) -> None:
    import stackcli.diagnostics.layer_report
    import stackcli.experiment.worker
    import stackcli.training.loop  # noqa: F401


def make(name: str, folder: Path) -> Executor:
    if name == "local":
        from stackcli.launcher.local import Local

        return Local(workers=1, preload=preload())
    if name == "ray":
        from stackcli.launcher.ray import Ray

        return Ray(workers=1, folder=folder)
    from stackcli.launcher import slurm

    os.environ |= {"PATH": f"{fake_slurm.install(folder)}{os.pathsep}{os.environ['PATH']}", "FAKE_SLURM": str(folder)}
    os.environ["FAKE_SLURM_AT_ONCE"] = "1"
    slurm.POLL = 0.05
    return slurm.Slurm(folder=folder / "out", at_once=1)


def measure(name: str) -> tuple[float, float]:
    """Returns the seconds until the first job has ended, and those of each job after it."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        began, executor = time.monotonic(), make(name, Path(place))
        jobs: list[Any] = list(range(JOBS))
        for outcome in executor.run(load, jobs):
            assert outcome.state in ("started", "progress", "done"), outcome
            ends += [time.monotonic()] if outcome.state == "done" else []
        executor.close()
    return ends[0] - began, (ends[-1] - ends[0]) / (JOBS - 1)


if __name__ == "__main__":
    from tests.launcher import overhead  # workers find `load` by the name of its module, not in __main__

    for chosen in sys.argv[1:] or ("local", "ray", "slurm"):
        first, each = overhead.measure(chosen)
        print(f"{chosen:6} start {first:5.2f} s, each {each:5.2f} s")
