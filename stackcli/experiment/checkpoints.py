"""Checkpoints of a run in a folder: each complete, with its hash beside it, or absent."""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import CorruptionError, read_json, write_file
from stackcli.common.records import dumps
from stackcli.experiment.serialization import from_bytes, to_bytes

ONE_PROCESS = (1, "data")  # `devices` and `parallel` of a run of one process


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> Path:
    """Saves a complete checkpoint or none: writes it, reads it back, writes its manifest, then deletes older ones. If
    another process has deleted it meanwhile, that process has saved or published a later state."""
    content = to_bytes(state)
    path = folder / f"step-{state['step']:09d}.pt"
    write_file(path, content)
    sha = hashlib.sha256(content).hexdigest()
    with contextlib.suppress(FileNotFoundError):
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha:
            raise OSError(f"{path}: what was read back is not what was written")
        manifest = {"sha256": sha, "step": state["step"], "processes": state.get("processes", ONE_PROCESS)}
        write_file(path.with_suffix(".json"), dumps(manifest) + "\n")
    for old in folder.glob("step-*"):
        if old.stem < path.stem:
            old.unlink(missing_ok=True)
    return path


def read_processes(folder: Path) -> tuple[int, str] | None:
    """Returns how many processes trained the run whose checkpoints are in this folder, and how they shared the work;
    None without a checkpoint, or with one whose manifest is damaged, which is not loaded either."""
    for manifest in sorted(folder.glob("step-*.json"), reverse=True):
        with contextlib.suppress(CorruptionError, ValueError, TypeError, OSError):
            number, way = read_json(manifest).get("processes", ONE_PROCESS)
            return int(number), str(way)
    return None


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Returns the newest checkpoint whose hash is right; None where there is none."""
    for manifest in sorted(folder.glob("step-*.json"), reverse=True):
        with contextlib.suppress(CorruptionError, KeyError, TypeError, OSError):
            content = manifest.with_suffix(".pt").read_bytes()
            if hashlib.sha256(content).hexdigest() == read_json(manifest)["sha256"]:
                return from_bytes(content)
    return None
