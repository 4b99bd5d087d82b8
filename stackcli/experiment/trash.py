"""OUT/trash/: runs and studies that were removed, until they are restored or `runs gc` deletes them.

OUT/trash/DATE-NAME/  what was removed on this day; a number follows where the same was removed twice:
    trash.json        kind (run or study), name, when it was removed, and the studies that a run was in
    content/          the folder as it was
Each removal is one rename. A kill before it leaves everything in place, and a folder in the trash without content.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from stackcli.common.atomic_files import flush_folder, write_json
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name

CONTENT = "content"


class Removed(NamedTuple):
    """What lies in the trash: its folder, kind (run or study), name, when it was removed (seconds since 1970), and the
    studies that a run was in."""

    folder: Path
    kind: str
    name: str
    when: float
    studies: tuple[str, ...]


def read_trash(store: Store) -> list[Removed]:
    """Returns what lies in the trash, newest first."""
    found = []
    for path in (store.root / "trash").glob("*/trash.json"):
        told = store.read(path, "kind", "name", "removed", remedy=f"what was removed is in {path.parent / CONTENT}")
        when = datetime.fromisoformat(str(told["removed"])).timestamp()
        if (path.parent / CONTENT).is_dir():
            studies = tuple(map(str, told.get("studies", ())))
            found.append(Removed(path.parent, str(told["kind"]), str(told["name"]), when, studies))
    return sorted(found, key=lambda removed: (-removed.when, removed.folder.name))


def remove_runs(store: Store, runs: Iterable[str]) -> tuple[dict[str, Path], list[str]]:
    """Moves runs to the trash; returns the place of each there, and the runs that stay, as they are being trained or
    are gone. Their studies keep their lines for them, as runs that are missing."""
    places = runs_in_studies(store)
    going = list(dict.fromkeys(runs))
    for name in dict.fromkeys(study for run in going for study in places.get(run, ())):
        mark_runs(store, name, going, published=False)  # first: a kill in between leaves no fault for `verify`
    moved, stay = {}, []
    for run in going:
        with hold_run(store, run) as held:
            if held and store.run(run).is_dir():
                moved[run] = _move(store, store.run(run), "run", run, places.get(run, ()))
            else:
                stay.append(run)
    return moved, stay


def runs_in_studies(store: Store) -> dict[str, list[str]]:
    """Returns run -> the studies that have it, newest first."""
    found: dict[str, list[str]] = {}
    for name in store.studies():
        for run in dict.fromkeys(entry["run"] for entry in store.read_study(name)["runs"]):
            found.setdefault(run, []).append(name)
    return found


def remove_study(store: Store, name: str) -> Path | None:
    """Moves a study to the trash; its runs stay. Returns its place there; None where it is gone."""
    with store.locked_study(name):
        return _move(store, store.study(name), "study", name) if store.study(name).is_dir() else None


def _move(store: Store, folder: Path, kind: str, name: str, studies: Iterable[str] = ()) -> Path:
    now = datetime.now(UTC)
    place = _new_place(store.root / "trash", f"{now:%Y-%m-%d}-{name}")
    told = {"kind": kind, "name": name, "removed": now.isoformat(timespec="milliseconds"), "studies": list(studies)}
    write_json(place / "trash.json", told)
    os.rename(folder, place / CONTENT)
    flush_folder(folder.parent)
    flush_folder(place)
    return place


def _new_place(trash: Path, name: str) -> Path:
    """Makes a folder in the trash that no other process has."""
    trash.mkdir(exist_ok=True)
    number = 1
    while True:
        place = trash / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir()
            return place
        except FileExistsError:
            number += 1


def find_removed(store: Store, start: str, kind: str) -> Removed:
    """Returns what was removed last of this kind whose name begins with `start`. Raises ValueError where there is none,
    or where several names begin so."""
    here = [removed for removed in read_trash(store) if removed.kind == kind]
    found = [r for r in here if r.name == start] or [r for r in here if start and r.name.startswith(start)]
    if len({r.name for r in found}) != 1:
        names = ", ".join(dict.fromkeys(r.name for r in here)) or "none"
        what = f"no {kind}" if not found else "several"
        raise ValueError(f"{start!r}: {what} of that name in {store.root / 'trash'}; there are: {names}")
    return found[0]


def restore_run(store: Store, removed: Removed) -> Path:
    """Moves a run back, and marks it as there in its studies. Raises ConflictError where it was trained again."""
    with hold_run(store, removed.name) as held:
        target = store.run(removed.name)
        if not held or target.exists():
            raise ConflictError(f"{removed.name}: {'trained again' if held else 'being trained'} since; {target} stays")
        _put_back(removed, target)
    for name in store.studies():
        mark_runs(store, name, [removed.name], published=True)
    return target


def restore_study(store: Store, removed: Removed) -> Path:
    """Moves a study back. Raises ConflictError where there is another of its name."""
    target = store.study(check_name(removed.name))
    with store.locked_study(removed.name):
        if target.exists():
            raise ConflictError(f"study {removed.name}: there is one again; rename it first: stackattn studies rename")
        _put_back(removed, target)
    return target


def _put_back(removed: Removed, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    os.rename(removed.folder / CONTENT, target)
    flush_folder(target.parent)
    with contextlib.suppress(OSError):  # an empty place in the trash does no harm
        (removed.folder / "trash.json").unlink()
        removed.folder.rmdir()


# ---- claims and studies


@contextlib.contextmanager
def hold_run(store: Store, run: str) -> Iterator[bool]:
    """Inside the block no other process trains this run; yields False at once where one does."""
    ends = time.monotonic()
    with store.claimed(run, lambda: time.monotonic() >= ends) as held:
        yield held


def is_trained_now(store: Store, run: str) -> bool:
    """Whether a process trains this run at the moment. Writes nothing."""
    if not (store.root / "claims" / f"{run}.lock").exists():
        return False
    with hold_run(store, run) as held:
        return not held


def mark_runs(store: Store, study: str, runs: Iterable[str], *, published: bool) -> None:
    """Notes in a study whether runs are there; nothing where the study does not have them or is gone."""
    named = set(runs)

    def change(content: dict[str, Any]) -> bool:
        found = [entry for entry in content["runs"] if entry["run"] in named and entry.get("published") != published]
        for entry in found:
            entry["published"] = published
        return bool(found)

    edit_study(store, study, change)


def edit_study(store: Store, name: str, change: Callable[[dict[str, Any]], bool]) -> None:
    """Changes study.json under its lock. `change`: edits the content, and returns whether it has changed it."""
    path = store.study(name) / "study.json"
    with store.locked_study(name):
        if not path.is_file():
            return
        was = path.stat()
        content = store.read_study(name)
        if change(content):
            write_json(path, content, indent=1)
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))  # which tells the newest study


def find_run(store: Store, start: str) -> str:
    """Returns the only run whose id begins with `start`, as `Store.find`, and tells of a run that has not finished.
    Raises ValueError."""
    try:
        return store.find(start)
    except ValueError:
        for lock in sorted((store.root / "claims").glob("*.lock")):
            here = bool(start) and lock.stem.startswith(start) and not store.finished(lock.stem)
            if here and is_trained_now(store, lock.stem):
                raise ValueError(f"{lock.stem}: being trained at the moment; nothing is stored of it yet") from None
        raise
