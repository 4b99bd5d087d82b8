"""Measures the store at scale: `python -m stackcli.experiment.store_scale --runs 10000 --out FOLDER`.

Publishes made-up runs, then times the commands that read them, each in a process of its own, by the clock, with the
largest memory that the process had.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from stackcli.config import grid
from stackcli.experiment import synthetic_store
from stackcli.experiment.store import Store


class Measured(NamedTuple):
    """A command: its seconds by the clock and of the processor, and the largest memory of its process in MB."""

    name: str
    seconds: float
    processor: float
    megabytes: float


class Sizes(NamedTuple):
    """How many runs a store has, and the files and bytes of each on average."""

    runs: int
    files: float
    bytes: float


def commands(runs: int) -> dict[str, Sequence[str]]:
    """Returns the commands that are measured, by name; those that come twice are served from the cache."""
    sweep = ["sweep", *synthetic_store.large_words(runs), "--study", synthetic_store.LARGE]
    return {
        "runs": ["runs"],
        "runs again": ["runs"],
        "runs --json": ["runs", "--json"],
        "plot small": ["plot", synthetic_store.SMALL],
        "plot large": ["plot", synthetic_store.LARGE],
        "plot large again": ["plot", synthetic_store.LARGE],
        "sweep, all finished": [*sweep, "--figures", "none", "--yes"],
        "verify": ["verify"],
    }


def measure_commands(root: Path, runs: int, only: Sequence[str] = ()) -> Iterator[Measured]:
    """Yields the time and memory of each command on a store. `plot large again` draws every figure from cached rows:
    the record of what was drawn is deleted before."""
    for name, words in commands(runs).items():
        if only and name not in only:
            continue
        if name.startswith("plot"):
            (root / "studies" / words[-1] / "figures.json").unlink(missing_ok=True)
        yield measure_command(name, [*words, "--out", str(root)])


def measure_command(name: str, words: Sequence[str], env: Mapping[str, str] | None = None) -> Measured:
    """Runs a command of the tool to its end. Raises RuntimeError with its last words if it fails."""
    command = [sys.executable, "-m", "stackcli", *words]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(env or {})}
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words[:3])}: exit {process.returncode}\n{said.decode()[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss in bytes
    return Measured(name, time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6)


def measure_sizes(store: Store) -> Sizes:
    """Returns what a run of the store needs on average."""
    folders = [f for f in (store.root / "runs").iterdir() if f.is_dir()]
    sizes = [path.stat().st_size for folder in folders for path in folder.iterdir()]
    return Sizes(len(folders), len(sizes) / len(folders), sum(sizes) / len(folders))


def measure_publish(folder: Path, times: int = 30) -> float:
    """Publishes so many runs in a new store, flushed to disk as those of a sweep are; returns the median of their
    milliseconds, the preparation of their content not counted."""
    store, took = Store(folder), list[float]()
    store.create()
    facts = {"sizes": {"test": 256}, "classes": ["a", "b"], "vocab": 5}
    for config in grid.parse_grid(["data=majority", "depth=4", "keep=none", f"seeds={times}"]).configs:
        content = synthetic_store.made_up_run(f"{len(took):016x}", config, facts)
        began = time.perf_counter()
        store.publish(f"{len(took):016x}", config=config, reproduce="stackattn train", **content)
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


def measure_store() -> None:
    """Publishes a store unless the folder is one, measures, and prints a table."""
    parser = argparse.ArgumentParser(prog="store_scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many runs are published")
    parser.add_argument("--out", type=Path, required=True, help="a folder that is new, or made by this command")
    parser.add_argument("--only", nargs="*", default=(), help="some of: " + ", ".join(commands(1)))
    asked = parser.parse_args()
    store = Store(asked.out)
    if not store.exists:
        began = time.perf_counter()
        synthetic_store.build_store(asked.out, asked.runs)
        print(f"published in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    found = measure_sizes(store)
    print(f"{found.runs} runs: {found.files:.1f} files and {found.bytes / 1000:.1f} kB each", flush=True)
    with tempfile.TemporaryDirectory(dir=asked.out.parent) as folder:
        print(f"publish: {measure_publish(Path(folder) / 'store'):.1f} ms each", flush=True)
    print(f"{'':22}  {'clock':>9}  {'processor':>9}  {'memory':>9}")
    for name, seconds, processor, megabytes in measure_commands(asked.out, asked.runs, asked.only):
        print(f"{name:22}  {seconds:7.2f} s  {processor:7.2f} s  {megabytes:6.0f} MB", flush=True)


if __name__ == "__main__":
    measure_store()
