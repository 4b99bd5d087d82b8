"""A whole sweep against the same runs as scripts of `nn.TransformerEncoder`: wall-clock time, two runs at once."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

from stackcli.config import grid
from stackcli.config.settings import Config, plain
from stackcli.experiment.load import load_study
from stackcli.experiment.speed_measurement import Row, Section, compare_times, measure_turns
from stackcli.experiment.store import Store

WORDS = ("depth=2,8", "seeds=6")
WORKERS = 2


def sweep_section(words: Sequence[str], rounds: int) -> Section:
    """Returns the comparison of a sweep, which records every layer, times each depth and draws all figures, with the
    scripts."""
    typed = (*words, *WORDS)
    accuracies: dict[str, list[float]] = {}

    def ours() -> None:
        accuracies["ours"] = run_sweep(typed)

    def scripts() -> None:
        accuracies["scripts"] = run_scripts(grid.parse_grid(typed).configs)

    found = measure_turns({"ours": ours, "scripts": scripts}, rounds=rounds or 1, warm=False, clock=time.perf_counter)
    own = found["ours"]
    rows = [compare_times("nn.TransformerEncoder scripts", own, over=found["scripts"], under=own)]
    means = {name: statistics.mean(values) for name, values in accuracies.items()}
    rows.append(Row("mean test accuracy", note=f"ours {means['ours']:.3f}, scripts {means['scripts']:.3f}"))
    text = f"stackattn sweep {' '.join(typed)} -j {WORKERS} in a new store; a script for each run, {WORKERS} at once"
    return Section("A whole sweep, wall-clock time", "script / ours", text, tuple(rows))


def run_sweep(words: Sequence[str]) -> list[float]:
    """Runs the command in a store of its own; returns the test accuracy of each run, with the last weights."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "stackcli", "sweep", *words, "-j", str(WORKERS), "--out", folder]
        call(command)
        store = Store(Path(folder))
        return [float(x) for x in load_study(store, store.studies()[0]).runs["test_acc_end"]]


def run_scripts(configs: Sequence[Config]) -> list[float]:
    """Runs `encoder_script` for each config, the deepest first; returns the test accuracies."""
    first = sorted(configs, key=lambda c: -c.depth)
    with ThreadPoolExecutor(WORKERS) as pool:
        return [float(found["test_acc_end"]) for found in pool.map(run_encoder_script, first)]


def run_encoder_script(config: Config) -> dict[str, Any]:
    """Runs the script for one config in a process of its own; returns its result."""
    settings = json.dumps({f.name: plain(getattr(config, f.name)) for f in fields(config)})
    found: dict[str, Any] = json.loads(call([sys.executable, "-m", "stackcli.experiment.encoder_script", settings]))
    return found


def call(command: Sequence[str]) -> str:
    """Runs a command on one thread and returns its output. Raises RuntimeError with its messages if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:5])} ...: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout
