"""Runs on their way to the trash: which are meant, what their studies lose. The command `runs rm`."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from stackcli.common.atomic_files import CorruptionError
from stackcli.common.wording import count_noun
from stackcli.experiment import run_filters
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.run_details import format_bytes
from stackcli.experiment.run_list import SHOWN, Row, list_runs
from stackcli.experiment.store import Store
from stackcli.experiment.store_cleaning import size_of
from stackcli.experiment.trash import find_run, is_trained_now, remove_runs, runs_in_studies


def choose_removed(store: Store, words: Sequence[str]) -> list[Row]:
    """Returns the rows of the runs that are meant by ids, or by conditions. Raises ValueError for an unknown id and for
    ids beside conditions, ConflictError where one of the runs is being trained at the moment."""
    conditions = [word for word in words if run_filters.is_filter(word)]
    if conditions and len(conditions) < len(words):
        other = next(word for word in words if word not in conditions)
        raise ValueError(f"{other}: write ids or conditions, not both; run=ID,ID is a condition too")
    named = [] if conditions else [find_run(store, word) for word in words]
    try:
        every = list(list_runs(store))
    except CorruptionError:
        if conditions:
            raise
        every = []
    rows = {row["run"]: row for row in every}
    if conditions:
        filters = run_filters.parse_filters(words, run_filters.known_columns(every))
        chosen: list[Any] = run_filters.choose_rows(every, filters)
        if not chosen:
            raise ValueError(run_filters.describe_nothing(every, filters))
    else:
        chosen = [rows.get(run) or _bare_row(run) for run in dict.fromkeys(named)]
    busy = [row["run"] for row in chosen if is_trained_now(store, row["run"])]
    if busy:
        raise ConflictError(f"{', '.join(busy[:3])}: being trained at the moment; stop that first. Nothing was moved")
    return chosen


def _bare_row(run: str) -> Row:
    """The row of a run in a store with damaged files, which can be removed all the same."""
    told: dict[str, Any] = {
        "run": run,
        "status": "not read",
        "test_acc": None,
        "finished": None,
        "studies": [],
        "point": "",
        "edited": [],
    }
    return {**dict.fromkeys(SHOWN, "?"), **told}


def describe_removal(store: Store, rows: Sequence[Row]) -> Iterator[str]:
    """Says how much is removed, and which studies lose runs."""
    size = sum(size_of(store.run(row["run"])) for row in rows)
    yield f"{count_noun(len(rows), 'runs')}, {format_bytes(size)}"
    places, lost = runs_in_studies(store), dict[str, int]()
    for row in rows:
        for name in places.get(row["run"], ()):
            lost[name] = lost.get(name, 0) + 1
    for name, count in lost.items():
        planned = len({entry["run"] for entry in store.read_study(name)["runs"]})
        yield f"study {name} loses {count} of {count_noun(planned, 'runs')}; its command trains them again"


def remove_chosen(store: Store, rows: Sequence[Row]) -> int:
    """Moves runs to the trash and says where they are; returns the exit code: 1 where some stayed."""
    moved, stay = remove_runs(store, [row["run"] for row in rows])
    for place in moved.values():
        print(place)
    for run in stay:
        print(f"{run}: being trained or gone now, and left", file=sys.stderr)
    if moved:
        said = "stackattn runs restore ID brings one back, stackattn runs gc deletes old trash"
        print(f"moved {count_noun(len(moved), 'runs')} to {store.root / 'trash'}; {said}", file=sys.stderr)
    return 1 if stay else 0
