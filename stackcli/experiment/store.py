"""The store: runs and studies as plain files. What is derived from them can be deleted.

OUT/stackattn.json            marks a store and its format
OUT/runs/ID/                  a published run, written elsewhere and renamed to here:
    config.json               resolved settings, the command that reproduces it, versions
    result.json               records.Result; equal bytes for equal identity on one class of machine
    curve.jsonl layers.jsonl stack.jsonl  records.StepRow, records.LayerRow, records.StackRow
    position.json             the trained position tables
    words.json weights.pt     vocabulary and classes; the kept weights, with weights.json, their sha256
    manifest.json             sha256 of each of them
    provenance.json           when, how long, on what: may differ between two equal runs
OUT/attempts/                 runs in progress, and the logs of failed ones
OUT/checkpoints/ID/           the newest checkpoint of an interrupted run
OUT/claims/ID.lock            held by the process that trains it
OUT/facts/                    sizes, class shares and baselines of each data set
OUT/cache/                    rows that were read and checked, see row_cache
OUT/trash/DATE-NAME/          what was removed, see trash
OUT/launches/ OUT/slurm/      runs of a cluster while they go on; scripts and logs of Slurm
OUT/trackers.json             tells equal runs of two stores apart in a tracker
OUT/studies/NAME/             study.json (which runs, which axes), times.json (step times), tables and figures
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack

from filelock import FileLock

from stackcli.common.atomic_files import (
    CorruptionError,
    flush_folder,
    read_json,
    why_unwritable,
    write_file,
    write_json,
)
from stackcli.common.new_folder import write_folder
from stackcli.config.settings import Config
from stackcli.experiment import checkpoints
from stackcli.experiment.identity import StoreError, edited_parts
from stackcli.experiment.locks import acquire_lock
from stackcli.experiment.publication import RunParts, run_contents
from stackcli.experiment.run_files import WEIGHTS, RunFiles
from stackcli.experiment.serialization import from_bytes
from stackcli.experiment.studies import check_same_base, merge_studies, missing_runs

FORMAT = 1
STUDY = ("command", "axes", "base", "runs", "facts")  # what every study.json has
INDENTED = 1000  # runs of a study whose file is indented; in a larger one it would take seconds and megabytes
# what every file of facts has
FACTS = ("fingerprint", "sizes", "shares", "classes", "notices", "majority_acc", "tfidf_acc")


class Store:
    """A folder of runs. A folder with other things in it is refused; nothing is written before `create`."""

    def __init__(self, root: Path, *, create: bool = True) -> None:
        self.root, self.marker = root, root / "stackattn.json"
        self.checksums = True  # an object in a JSON file has one; not in stores of earlier versions
        try:
            there = self.marker.is_file()
        except OSError as error:
            raise StoreError(f"{root}: cannot be used: {error.strerror}; write --out FOLDER") from error
        if there:
            self._check_format()
        elif not create:
            raise StoreError(f"{root}: no store of runs; write --out FOLDER, or make one with stackattn train")
        else:
            self._check_place()

    @property
    def exists(self) -> bool:
        return self.marker.is_file()

    def create(self) -> None:
        """Makes the folder a store unless it is one. Raises OSError where it cannot be written."""
        if self.exists:
            return
        try:
            write_json(self.marker, {"format": FORMAT, "checksums": True})
        except OSError as error:
            raise OSError(f"{self.root}: cannot be written: {error.strerror}; write --out FOLDER") from error

    def _check_format(self) -> None:
        remedy = f'write {{"format": {FORMAT}}} into it; the runs are not touched'
        found = read_json(self.marker, "format", remedy=remedy)
        if "checksums" in found:
            read_json(self.marker, checksum=True, remedy=remedy)
        if found["format"] != FORMAT:
            raise StoreError(
                f"{self.root}: written by a newer stackattn (format {found['format']}, here {FORMAT}); update stackattn"
            )
        self.checksums = found.get("checksums") is True

    def read(self, path: Path, *keys: str, remedy: str = "delete it and run the command again") -> dict[str, Any]:
        """Reads a JSON object with these keys. Raises CorruptionError where it differs from its checksum, or has none
        in a store whose files all have one; `remedy`: what the message tells to do."""
        return dict(read_json(path, *keys, checksum=self.checksums, remedy=remedy))

    def _check_place(self) -> None:
        try:
            if self.root.exists() and not self.root.is_dir():
                raise StoreError(f"{self.root}: a file, not a folder; write --out FOLDER")
            begun = f".{self.marker.name}."  # temporary file of another process that creates this store
            if self.root.is_dir() and any(not f.name.startswith(begun) for f in self.root.iterdir()):
                raise StoreError(f"{self.root}: a folder with other things in it, no store; write --out NEWFOLDER")
            above = next(f for f in (self.root, *self.root.absolute().parents) if f.exists())
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be used: {error.strerror}; write --out FOLDER") from error
        why = "no folder" if not above.is_dir() else why_unwritable(above, prefix=begun)
        if why:
            raise StoreError(f"{self.root}: cannot be written ({above}: {why}); write --out FOLDER")

    def check_writable(self) -> None:
        """Raises StoreError where nothing can be written to the store; called before any other work."""
        for folder in filter(Path.is_dir, (self.root, self.root / "studies")):
            if why := why_unwritable(folder):
                raise StoreError(f"{self.root}: cannot be written ({folder}: {why}); write --out FOLDER")

    def run(self, run: str) -> Path:
        return self.root / "runs" / run

    def files(self, run: str) -> RunFiles:
        """The files of a run, each checked against the manifest where it is read."""
        return RunFiles(self.run(run))

    def check_runs(self, runs: Iterable[str], *, weights: bool = False) -> None:
        """Raises CorruptionError that names every damaged file of these runs; with `weights` these are read too."""
        if faults := [fault for run in dict.fromkeys(runs) for fault in self.files(run).find_faults(weights=weights)]:
            raise CorruptionError("\n".join(faults))

    def finished(self, run: str, keep: str = "none") -> bool:
        """Returns whether the run is published, with the weights that `keep` names."""
        folder = self.run(run)
        if not (folder / "result.json").is_file():
            return False
        if keep == "none" or self.result(run)["status"] != "done":
            return True
        return (folder / "weights.pt").is_file() and self.config(run).keep == keep

    @contextlib.contextmanager
    def claimed(self, run: str, stop: Callable[[], bool]) -> Iterator[bool]:
        """Inside the block no other process trains this run; yields False where `stop` came first. A claim ends with
        its process. Where files cannot be locked, two processes may train the same run; one result is discarded."""
        lock = self._lock(run)
        while not acquire_lock(lock, seconds=0.2):
            if stop():
                yield False
                return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock:
        path = self.root / "claims" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def result(self, run: str) -> dict[str, Any]:
        return self.files(run).result()

    def publish(
        self,
        run: str,
        *,
        weights: bytes | None,
        replace: bool = False,
        **parts: Unpack[RunParts],
    ) -> Path:
        """Writes an attempt and renames it to its final folder. If another process published first, the attempt is
        discarded, unless the published run lacks the weights or `replace` is set."""
        attempt = self.root / "attempts" / f"{run}-{uuid.uuid4().hex[:8]}"
        contents = run_contents(weights, parts)
        try:
            write_folder(attempt, contents)
            self._place(attempt, self.run(run), parts["config"].keep if weights is not None else "none", replace)
        except BaseException:
            shutil.rmtree(attempt, ignore_errors=True)
            raise
        self.drop_checkpoints(run)
        return self.run(run)

    def _place(self, attempt: Path, target: Path, keep: str, replace: bool) -> None:
        """Renames an attempt to its final folder, after moving away a run that it replaces. A kill between the two
        renames loses that run, and the next command trains it again."""
        target.parent.mkdir(exist_ok=True)
        for _ in range(20):
            try:
                os.rename(attempt, target)
                return flush_folder(target.parent)
            except OSError:
                if target.is_dir() and not replace and self.finished(target.name, keep):
                    return shutil.rmtree(attempt)
            old = self.root / "attempts" / f"{target.name}-old-{uuid.uuid4().hex[:8]}"
            with contextlib.suppress(OSError):  # another process has just done the same
                os.rename(target, old)
                shutil.rmtree(old, ignore_errors=True)
        os.rename(attempt, target)

    def drop_checkpoints(self, run: str) -> None:
        shutil.rmtree(self.root / "checkpoints" / run, ignore_errors=True)

    def tidy(self) -> None:
        """Deletes what killed processes left: attempts that have not changed for a day."""
        for folder in (self.root / "attempts").glob("*-*"):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > 86_400:
                shutil.rmtree(folder, ignore_errors=True)

    # ---- checkpoints and weights

    def save_checkpoint(self, run: str, state: Mapping[str, Any]) -> Path:
        """Saves a complete checkpoint of a run or none; returns its path."""
        return checkpoints.save_checkpoint(self.root / "checkpoints" / run, state)

    def load_checkpoint(self, run: str) -> dict[str, Any] | None:
        """Returns the newest checkpoint whose hash is right; None where there is none."""
        return checkpoints.load_checkpoint(self.root / "checkpoints" / run)

    def load_weights(self, run: str) -> tuple[Config, dict[str, Any], dict[str, Any]]:
        """Returns (config, words, state dict) of a run. Raises ValueError where it kept no weights, CorruptionError
        where the hash of the file is not the one that was written."""
        files = self.files(run)
        if WEIGHTS not in files.manifest:
            raise ValueError(f"{run}: no weights were kept; train it with keep=best")
        content, known = files.content(WEIGHTS), files.json("words.json", "vocab", "classes", "max_len")
        return self.config(run), known, from_bytes(content)

    def config(self, run: str) -> Config:
        return self.files(run).config()

    def changed(self, run: str) -> list[str]:
        """Returns the parts of a run whose source was edited after its training, as `pe=mine`. Empty for old runs,
        which did not record the source."""
        files = self.files(run)
        return edited_parts(files.described.get("source", {}), files.config().flat(), {})

    def ids(self) -> list[str]:
        """Returns the published runs, newest first."""
        folders = [f for f in (self.root / "runs").glob("*") if (f / "result.json").is_file()]
        return [f.name for f in sorted(folders, key=lambda f: (-(f / "result.json").stat().st_mtime, f.name))]

    def find(self, start: str) -> str:
        """Returns the only run whose id begins with `start`. Raises ValueError for none or several."""
        found = [run for run in self.ids() if start and run.startswith(start)]
        if len(found) != 1:
            what = "no run" if not found else f"{len(found)} runs"
            raise ValueError(f"{start!r}: {what} of that id in {self.root}; stackattn runs lists them")
        return found[0]

    def log_failure(self, run: str, text: str) -> Path:
        """Writes the traceback of a failed run; returns the path."""
        path = self.root / "attempts" / f"{run}.log"
        write_file(path, text)
        return path

    # ---- facts, timings, studies

    def facts(self, key: str) -> dict[str, Any] | None:
        path = self.root / "facts" / f"{key}.json"
        return self.read(path, *FACTS) if path.is_file() else None

    def save_facts(self, key: str, facts: Mapping[str, Any]) -> None:
        """Stores the facts of a data set, a records.Facts as a dict."""
        write_json(self.root / "facts" / f"{key}.json", facts)

    def timings(self, name: str) -> dict[str, Any]:
        """Returns architecture -> its times, each on the scale of the study's reference."""
        path = self.study(name) / "times.json"
        return self.read(path) if path.is_file() else {}

    def save_timings(self, name: str, timings: Mapping[str, Any]) -> None:
        write_json(self.study(name) / "times.json", timings)

    def study(self, name: str) -> Path:
        return self.root / "studies" / name

    def studies(self) -> list[str]:
        """Returns the names of the studies, newest first."""
        found = sorted((self.root / "studies").glob("*/study.json"), key=lambda p: -p.stat().st_mtime)
        return [p.parent.name for p in found]

    def read_study(self, name: str) -> dict[str, Any]:
        return self.read(self.study(name) / "study.json", "axes", "base", "runs")

    def check_study(self, name: str, study: Mapping[str, Any]) -> None:
        """Raises ConflictError where a study of this name has other settings than `study`, its base and its axes."""
        if (self.study(name) / "study.json").is_file():
            check_same_base(name, self.read_study(name), study)

    def save_study(self, name: str, study: Mapping[str, Any], *, grow: bool = False) -> Path:
        """Writes a study. With `grow` it keeps the runs that it had, except those that new runs replace because their
        data or the source of their parts has changed. Raises ConflictError where its base differs."""
        path = self.study(name) / "study.json"
        with self.locked_study(name):
            if path.is_file():
                old = self.read(path, "axes", "base")
                check_same_base(name, old, study)
                study = merge_studies(old, study) if grow and old["axes"] == study["axes"] else study
            write_json(path, study, indent=1 if len(study["runs"]) <= INDENTED else None)
        return path

    @contextlib.contextmanager
    def locked_study(self, name: str) -> Iterator[None]:
        """Inside the block no other process changes this study: two that grow it at once both add their runs."""
        lock = self._lock(f"study-{name}")
        acquire_lock(lock)
        try:
            yield
        finally:
            lock.release()

    def count_dropped(self, name: str, study: Mapping[str, Any], *, grow: bool) -> int:
        """Returns how many runs of the stored study are not in this one and would be dropped from it."""
        if not (self.study(name) / "study.json").is_file():
            return 0
        old = self.read_study(name)
        return 0 if grow and old["axes"] == study["axes"] else len(missing_runs(old, study))

    def disk(self, runs: Iterable[str]) -> int:
        """Returns the bytes of the kept weights."""
        files = (self.run(run) / "weights.pt" for run in runs)
        return sum(f.stat().st_size for f in files if f.is_file())
