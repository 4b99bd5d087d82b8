"""What several tests need: a small data file, and the tool."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stackcli.common import registry
from stackcli.config import defaults
from stackcli.experiment import part_source

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


def stackattn(
    *args: str, cwd: Path, figures: bool = False, timed: bool = False, **env: str
) -> subprocess.CompletedProcess[str]:
    """The tool, run to its end; without `figures` it draws none, which saves half of its time, and without `timed` it
    measures no step times, during which it would sleep for 0.6 s.

    It runs in this process, and its workers are forked from one that has PyTorch loaded: starting Python and PyTorch
    anew for each call would take most of the time of the tests. With variables of the environment other than COLUMNS it
    is a process of its own, as it is for a user.
    """
    none = ("--figures", "none") if args[0] in TRAINS and not figures else ()
    if not env.keys() <= {"COLUMNS"}:
        return run_process(*args, *none, cwd=cwd, **env)
    return call((*args, *none), cwd, env, timed=timed)


def run_process(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The tool as a process, run to its end."""
    process = start(*args, cwd=cwd, **env)
    out, err = process.communicate(timeout=200)
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def call(args: Sequence[str], cwd: Path, env: Mapping[str, str], *, timed: bool) -> subprocess.CompletedProcess[str]:
    """The tool as a call of its main function."""
    from stackcli.cli.main import main

    load_workers()
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        if not timed:
            patch.setattr("stackcli.experiment.timing_pass.time_steps", lambda *_: None)
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["stackattn", *args])
        patch.delenv("COLUMNS", raising=False)
        patch.delenv("FORCE_COLOR", raising=False)
        for name, value in {"CI": "true", **env}.items():
            patch.setenv(name, value)
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
    return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """Inside, packages in this folder are installed: they are imported, and their entry points are found."""
    caches: tuple[Any, ...] = (registry.installed_parts, registry.needed_parts, defaults.part_defaults)
    caches += (defaults.compose_settings, part_source.fingerprint, part_source.syntax_tree)
    caches += (part_source.imported_modules,)
    names = {path.stem for path in folder.iterdir()}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        for cached in caches:
            cached.cache_clear()
        yield folder
    for cached in caches:
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


@cache
def load_workers() -> None:
    """Starts the process that workers are forked from, with PyTorch loaded, once in a session."""
    from stackcli.experiment import worker
    from stackcli.launcher.local import Local

    Local(workers=1, preload=["stackcli.diagnostics.initialisation", *worker.preload()]).warm()


def results(out: Path) -> dict[str, bytes]:
    """Returns the content of all files that must be equal after two equal sweeps."""
    names = ("result.json", "curve.jsonl", "layers.jsonl", "stack.jsonl", "position.json", "words.json", "weights.pt")
    return {f"{f.parent.name}/{f.name}": f.read_bytes() for name in names for f in out.glob(f"runs/*/{name}")}
