"""Slurm as its commands show it: sbatch, srun, sacct, scancel, scontrol. Jobs are processes of this machine, two at
once; their states are in a file of the folder FAKE_SLURM.

A job whose process ends is COMPLETED or FAILED by its exit code, or what the file fate-ID of that folder says. With
FAKE_SLURM_IDLE in the environment, no job is ever started.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

AT_ONCE = int(os.environ.get("FAKE_SLURM_AT_ONCE", "2"))
COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")


def install(folder: Path) -> Path:
    """Writes the commands into FOLDER/bin; returns that folder."""
    place = folder / "bin"
    place.mkdir(parents=True)
    for name in COMMANDS:
        path = place / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
        path.chmod(0o755)
    return place


def root() -> Path:
    return Path(os.environ["FAKE_SLURM"])


@contextmanager
def queue() -> Iterator[dict[str, dict[str, Any]]]:
    """Every job by its name; what is changed inside is kept."""
    path = root() / "queue.json"
    with FileLock(root() / "queue.lock"):
        jobs = json.loads(path.read_text()) if path.exists() else {}
        yield jobs
        path.write_text(json.dumps(jobs))


def sbatch(script: str) -> None:
    text = Path(script).read_text()
    array = re.search(r"--array=0-(\d+)", text)
    with queue() as jobs:
        number = str(100 + len({name.partition("_")[0] for name in jobs}))
        names = [f"{number}_{task}" for task in range(int(array[1]) + 1)] if array else [number]
        for name in names:
            jobs[name] = {"state": "PENDING", "runs": 0, "pid": 0, "requeue": False}
    kept = root() / f"{number}.sh"
    kept.write_text(text)
    if "FAKE_SLURM_IDLE" not in os.environ:
        with open(root() / f"{number}.log", "w") as log:
            own = [sys.executable, __file__, "daemon", number]
            subprocess.Popen(own, start_new_session=True, stdout=log, stderr=log)
    print(f"Submitted batch job {number}")


def daemon(number: str) -> None:
    """Runs the jobs of an array until none is left."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    while True:
        with queue() as jobs:
            mine = {name: job for name, job in jobs.items() if name.partition("_")[0] == number}
            for name, process in list(running.items()):
                if process.poll() is not None:
                    del running[name]
                    finish(name, mine[name], process.returncode)
            for name, job in mine.items():
                if job["state"] == "PENDING" and len(running) < AT_ONCE:
                    running[name] = begin(name, job)
            if not running and all(job["state"] != "PENDING" for job in mine.values()):
                return
        time.sleep(0.05)


def begin(name: str, job: dict[str, Any]) -> "subprocess.Popen[bytes]":
    array, _, task = name.partition("_")
    env = {**os.environ, "SLURM_JOB_ID": f"{array}{task}"}
    env |= {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task} if task else {}
    process = subprocess.Popen(["bash", str(root() / f"{array}.sh")], env=env, start_new_session=True)
    job.update(state="RUNNING", pid=process.pid, runs=job["runs"] + 1)
    return process


def finish(name: str, job: dict[str, Any], code: int) -> None:
    fate = root() / f"fate-{name.replace('_', '')}"
    if job["requeue"]:
        job.update(state="PENDING", requeue=False)
    elif fate.exists():
        job["state"] = fate.read_text()
        fate.unlink()
    elif job["state"] == "RUNNING":
        job["state"] = "COMPLETED" if code == 0 else "FAILED"


def srun(*words: str) -> None:
    """Starts the command after the options, its output in the files that they name."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    names = {"%A": array, "%a": task, "%j": os.environ["SLURM_JOB_ID"], "%t": "0"}
    for option, handle in (("--output", 1), ("--error", 2)):
        path = words[words.index(option) + 1]
        for key, value in names.items():
            path = path.replace(key, value)
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), handle)
    command = words[words.index("--error") + 2 :]
    os.execvp(command[0], command)


def sacct(*words: str) -> None:
    wanted = {word for before, word in itertools.pairwise(words) if before == "-j"}
    print("JobID|State|NodeList")
    with queue() as jobs:
        for name, job in jobs.items():
            if name.partition("_")[0] in wanted:
                print(f"{name}|{job['state']}|here")


def scancel(*words: str) -> None:
    wanted, only = {word for word in words if not word.startswith("-")}, "--state=PENDING" in words
    with queue() as jobs:
        for name, job in jobs.items():
            if name not in wanted and name.partition("_")[0] not in wanted:
                continue
            if job["state"] == "RUNNING" and not only:
                with suppress(ProcessLookupError):
                    os.killpg(job["pid"], signal.SIGKILL)
                job["state"] = "CANCELLED by 0"
            elif job["state"] == "PENDING":
                job["state"] = "CANCELLED by 0"


def scontrol(_: str, name: str) -> None:
    with queue() as jobs:
        jobs[name]["requeue"] = True


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
