"""What the tests of trackers need: a run, and a tracker in a process of its own, as a run has it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stackcli.experiment.run_trackers import MAIN
from stackcli.tracker.base import TrackedRun
from tests.helpers import environment

RUN = "0123456789abcdef"
KEY = f"{RUN}-0a1b2c3d"
SETTINGS = {"depth": 2, "pe": "relative", "pe.clip": 8, "share_layers": False, "lr": 0.001, "seed": 3}
THIRD = 1 / 3  # has no short form in decimals, nor in 32 bits


def tracked_run() -> TrackedRun:
    return TrackedRun(run=RUN, key=KEY, study="sweep-depth", label="depth=2 seed=3", settings=SETTINGS)


def numbers(step: int) -> dict[str, float]:
    """The numbers of an evaluation and of a layer at this step."""
    return {"lr": 0.001 * step, "val_loss": step + THIRD, "train_loss": step / 7, "gradient_g1/layer2/ff1": 0.1 + step}


STEPS = (0, 4, 8, 12, 16)
RESULT = {"status": "done", "step_end": 16, "test_acc": THIRD, "stopped_early": False, "kernel_used": "fused"}


def start_tracker(
    name: str, out: Path, keys: Mapping[str, Any], *, patience: float = 60.0, **env: str
) -> "subprocess.Popen[bytes]":
    """Starts the process of a tracker."""
    about = {"run": RUN, "key": KEY, "study": "sweep-depth", "label": "depth=2 seed=3", "settings": SETTINGS}
    head = {"name": name, "keys": dict(keys), "out": str(out), "about": about, "lock": str(out / "claims" / "lock")}
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(PYTHONPATH=paths, **env),
        cwd=out,
        start_new_session=True,
    )
    send(process, {**head, "patience": patience})
    return process


def send(process: "subprocess.Popen[bytes]", *messages: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    for message in messages:
        process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def tell(
    name: str, out: Path, steps: Iterable[int], *, result: Mapping[str, Any] | None = None, keys: Any = None, **env: str
) -> list[dict[str, Any]]:
    """Tells a tracker these steps and the result, as a run does; without a result it is as if the run were killed.
    Returns what the process answers."""
    process = start_tracker(name, out, keys or {}, patience=60.0, **env)
    messages: Sequence[Mapping[str, Any]] = [{"step": step, "numbers": numbers(step)} for step in steps]
    send(process, *messages, *([{"result": dict(result)}] if result else []))
    said, noise = process.communicate(timeout=120)
    assert noise == b""
    return [json.loads(line) for line in said.splitlines()]
