"""The stored runs as rows of settings and results, newest first."""

from collections.abc import Iterator
from typing import Any

from stackcli.experiment.store import Store


def read_rows(store: Store) -> Iterator[dict[str, Any]]:
    """Yields a row for each published run, newest first: `run`; every setting as it is typed (depth, pe, pe.clip,
    ...); every field of records.Result; `seconds` of training; `finished`, when it ended (UTC); the `studies` that it
    belongs to, newest first; its `point` in the newest of them; and the parts `edited` since. Raises CorruptionError
    for a damaged file."""
    places: dict[str, list[tuple[str, str]]] = {}
    for study in store.studies():
        for entry in store.read_study(study)["runs"]:
            places.setdefault(entry["run"], []).append((study, entry["point"]))
    for run in store.ids():
        found = places.get(run, [])
        when = store.files(run).json("provenance.json")
        yield {
            "run": run,
            **store.config(run).flat(),
            **store.result(run),
            "seconds": when.get("seconds"),
            "finished": when.get("finished"),
            "studies": [study for study, _ in found],
            "point": found[0][1] if found else "",
            "edited": store.changed(run),
        }
