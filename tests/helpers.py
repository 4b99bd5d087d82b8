"""Helpers of several tests: a small data file, and the tool run as a process."""

import os
import subprocess
import sys
from pathlib import Path

SMALL = ("dim=8", "heads=2", "ff=1", "steps=4", "batch=8")


def write_data(path: Path, rows: int = 60) -> Path:
    """A CSV of short texts in two classes."""
    lines = [f"text number {i} about {'cats' if i % 2 else 'dogs'},{'cat' if i % 2 else 'dog'}" for i in range(rows)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def words(data: Path, *more: str) -> list[str]:
    """Settings of a run on this file that takes a second."""
    given = {w.partition("=")[0] for w in more}
    small = [w for w in SMALL if w.partition("=")[0] not in given]
    return ["data=csv", f"data.path='{data.as_posix()}'", *small, *more]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR")}
    return {**kept, "CI": "true", "PYTHONIOENCODING": "utf-8", **more}


def start(*args: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stackcli", *args]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=cwd, env=environment(**env), stdout=pipe, stderr=pipe, text=True, encoding="utf-8"
    )


TRAINS = ("train", "sweep", "ablate-depth", "compare-pe")


def stackattn(*args: str, cwd: Path, figures: bool = False, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the tool to its end; without `figures` it draws none, which takes half the time."""
    none = ("--figures", "none") if args[0] in TRAINS and not figures else ()
    process = start(*args, *none, cwd=cwd, **env)
    out, err = process.communicate(timeout=200)
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def results(out: Path) -> dict[str, bytes]:
    """Returns the content of all files that must be equal after two equal sweeps."""
    names = ("result.json", "curve.jsonl", "layers.jsonl", "stack.jsonl", "position.json", "words.json", "weights.pt")
    return {f"{f.parent.name}/{f.name}": f.read_bytes() for name in names for f in out.glob(f"runs/*/{name}")}
