"""What a store holds that no one needs, and its deletion: the command `runs gc`. Never loads PyTorch."""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from stackcli.common.wording import count_noun
from stackcli.experiment.run_details import format_bytes
from stackcli.experiment.store import Store
from stackcli.experiment.trash import hold_run, is_trained_now, read_trash, remove_runs, runs_in_studies

DAYS = 30  # that the trash is kept
HOUR, DAY = 3600, 86_400
CACHES = ("cache",)  # derived from the plain files, directly in the store


class Waste(NamedTuple):
    """What can be deleted: why, its path, its bytes, and the run whose claim is held while it is deleted (empty: none).
    `trash`: whether it is a run that goes to the trash instead."""

    why: str
    path: Path
    size: int
    run: str = ""
    trash: bool = False


def find_waste(store: Store, *, days: float = DAYS, unused: bool = False, caches: bool = False) -> list[Waste]:
    """Returns what no one needs. `days`: how old the trash must be; `unused`: also runs of no study; `caches`: also
    what is made again when it is missing. What a process uses at the moment is left out."""
    found = [*_old_trash(store, days), *_attempts(store), *_checkpoints(store), *_claims(store), *_temporary(store)]
    found += _orphans(store)
    if unused:
        places = runs_in_studies(store)
        free = [run for run in store.ids() if run not in places and not is_trained_now(store, run)]
        found += [Waste("run of no study", store.run(run), size_of(store.run(run)), run, True) for run in free]
    if caches:
        paths = sorted({path for pattern in CACHES for path in store.root.glob(pattern)})
        found += [Waste("cache", path, size_of(path)) for path in paths]
    return found


def _age(path: Path) -> float:
    """Seconds since the last change; 0 where it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    try:
        files = [f for f in path.rglob("*") if f.is_file()] if path.is_dir() else [path]
        return sum(f.stat().st_size for f in files)
    except OSError:  # gone meanwhile
        return 0


def _old_trash(store: Store, days: float) -> Iterator[Waste]:
    known = read_trash(store)
    for removed in known:
        if time.time() - removed.when >= days * DAY:
            yield Waste(f"{removed.kind} in the trash", removed.folder, size_of(removed.folder))
    for folder in sorted((store.root / "trash").glob("*")):  # left by a kill
        if folder.is_dir() and folder not in {r.folder for r in known} and _age(folder) > HOUR:
            yield Waste("empty place in the trash", folder, size_of(folder))


def _attempts(store: Store) -> Iterator[Waste]:
    """Folders that a killed process left while it wrote a run, and logs of failures of runs that have finished."""
    for path in sorted((store.root / "attempts").glob("*")):
        run = path.stem if path.suffix == ".log" else path.name.partition("-")[0]
        if path.suffix == ".log":
            if store.finished(run):
                yield Waste("log of a run that finished later", path, size_of(path))
        elif path.is_dir() and _age(path) > HOUR and not is_trained_now(store, run):
            yield Waste("attempt of a killed process", path, size_of(path), run)


def _checkpoints(store: Store) -> Iterator[Waste]:
    for folder in sorted((store.root / "checkpoints").glob("*")):
        if store.finished(folder.name) and not is_trained_now(store, folder.name):
            yield Waste("checkpoint of a finished run", folder, size_of(folder), folder.name)


def _claims(store: Store) -> Iterator[Waste]:
    """Files of claims that no process holds. Those of studies stay: they are few."""
    for path in sorted((store.root / "claims").glob("*.lock")):
        if not path.name.startswith("study-") and _age(path) > DAY and not is_trained_now(store, path.stem):
            yield Waste("old claim", path, size_of(path), path.stem)


def _orphans(store: Store) -> Iterator[Waste]:
    """Explanations and attacks of runs that are neither stored nor in the trash."""
    kept = {removed.name for removed in read_trash(store) if removed.kind == "run"}
    for kind in ("explanations", "attacks"):
        for folder in sorted((store.root / kind).glob("*")):
            if folder.is_dir() and folder.name not in kept and not store.run(folder.name).is_dir():
                yield Waste(f"{kind} of a run that is gone", folder, size_of(folder), folder.name)


def _temporary(store: Store) -> Iterator[Waste]:
    """Files that a killed process left while it wrote them."""
    for pattern in (".*.tmp", "facts/.*.tmp", "studies/*/.*.tmp", "checkpoints/*/.*.tmp"):
        for path in sorted(store.root.glob(pattern)):
            if _age(path) > DAY:
                yield Waste("file of a killed process", path, size_of(path))


def delete_waste(store: Store, found: Sequence[Waste]) -> list[Waste]:
    """Deletes what `find_waste` named, or moves it to the trash; returns what was left, as a process uses it now."""
    left = []
    moved, _ = remove_runs(store, [waste.run for waste in found if waste.trash])
    for waste in found:
        if waste.trash:
            left += [] if waste.run in moved else [waste]
        elif waste.run:
            with hold_run(store, waste.run) as held:
                if held:
                    _delete(waste.path)
                else:
                    left.append(waste)
        else:
            _delete(waste.path)
    return left


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def describe_waste(store: Store, found: Sequence[Waste]) -> Iterator[str]:
    """Names each path that would be deleted with its size, and the sum."""
    for waste in found:
        size = format_bytes(waste.size)
        yield f"{size:>8}  {waste.path.relative_to(store.root)}  {waste.why}{', to the trash' if waste.trash else ''}"
    total = format_bytes(sum(waste.size for waste in found))
    yield f"{total:>8}  {count_noun(len(found), 'paths')} in {store.root}" if found else "nothing to delete"
