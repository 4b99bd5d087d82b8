"""Weights & Biases: online, or offline to be sent later by `wandb sync`. https://docs.wandb.ai"""

import os
import shlex
import struct
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from stackcli.tracker.base import TrackedRun, Tracker, add_section, final_numbers


class Wandb(Tracker):
    """Logs to a project; the study is the group. Nothing leaves the machine unless wandb.mode=online or WANDB_MODE says
    so. What is empty or auto is taken from WANDB_PROJECT, WANDB_ENTITY and WANDB_MODE; files go to WANDB_DIR, by
    default the folder of runs. Neither code, nor console output, nor facts about the machine are kept."""

    extra = "wandb"
    modules = ("wandb",)

    def __init__(
        self,
        out: Path,
        *,
        project: str = "",
        entity: str = "",
        mode: Literal["auto", "online", "offline"] = "auto",
    ) -> None:
        super().__init__(out)
        self.project, self.entity = project or os.environ.get("WANDB_PROJECT") or "stackattn", entity
        self.mode = os.environ.get("WANDB_MODE") or "offline" if mode == "auto" else mode
        self.folder = Path(os.environ.get("WANDB_DIR") or out)

    def start(self, run: TrackedRun) -> Container[int]:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        online = self.mode == "online"
        known = set() if online else reported_steps(self.folder, run.key)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=self.project,
            entity=self.entity or None,
            mode=self.mode,  # type: ignore[arg-type]
            dir=str(self.folder),
            id=run.key,
            resume="allow" if online else None,
            name=run.label[:128],
            group=run.study,
            tags=[run.run, f"seed {run.settings.get('seed')}"],
            config={**run.settings, "study": run.study, "run": run.run},
            settings=wandb.Settings(
                console="off",
                silent=True,
                quiet=True,
                init_timeout=30,
                login_timeout=10,
                disable_code=True,
                disable_git=True,
                save_code=False,
                disable_job_creation=True,
                x_disable_meta=True,
                x_disable_machine_info=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )
        return range(self.run.starting_step) if online else known

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self.run.log({add_section(name): value for name, value in numbers.items()}, step=step, commit=True)

    def finish(self, result: Mapping[str, Any]) -> None:
        self.run.summary.update({"status": result["status"], **final_numbers(result)})
        self.run.finish(exit_code=0 if result["status"] in ("done", "diverged") else 1)

    def place(self) -> str:
        if self.mode == "online":
            return f"{os.environ.get('WANDB_BASE_URL') or 'https://wandb.ai'}/{self.entity or 'home'}"
        pattern = "wandb/offline-run-*"
        there = any(self.folder.glob(pattern))
        return f"wandb sync {shlex.quote(str(self.folder))}/{pattern}" if there else ""


def reported_steps(folder: Path, key: str) -> set[int]:
    """Returns the steps of a run that the files of earlier processes hold, which wandb itself does not look at."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    steps = set()
    for path in folder.glob(f"wandb/*run-*-{key}/*.wandb"):
        for content in read_records(path.read_bytes()):
            record = Record()
            record.ParseFromString(content)
            if record.HasField("history"):
                steps.add(int(record.history.step.num))
    return steps


BLOCK, HEAD = 32_768, 7  # bytes of a block, of the head of the file and of each record
FULL, FIRST, LAST = 1, 2, 4  # kinds of a record: whole, or a piece of one


def read_records(content: bytes) -> Iterator[bytes]:
    """Yields the records of a .wandb file, which has the format of LevelDB's log: blocks that hold a checksum, a length
    and a kind before each record or piece of one. What a kill cut off at the end is left out."""
    at, whole = HEAD, b""
    while at + HEAD <= len(content):
        if BLOCK - at % BLOCK < HEAD:
            at += BLOCK - at % BLOCK
            continue
        _, size, kind = struct.unpack_from("<IHB", content, at)
        piece = content[at + HEAD : at + HEAD + size]
        if len(piece) < size or not kind:
            return
        at += HEAD + size
        whole = piece if kind in (FULL, FIRST) else whole + piece
        if kind in (FULL, LAST):
            yield whole
