"""The stored runs as rows of settings and results, newest first."""

import contextlib
import json
import os
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment import row_cache
from stackcli.experiment.identity import edited_parts
from stackcli.experiment.store import Store

READ = ("result.json", "config.json", "provenance.json", "manifest.json")
Row = dict[str, Any]
Kept = tuple[str, Row, dict[str, str]]  # signature, settings and results, recorded source of the parts


def read_rows(store: Store) -> Iterator[Row]:
    """Yields a row for each published run, newest first: `run`; every setting as it is typed (depth, pe, pe.clip,
    ...); every field of records.Result; `seconds` of training; `finished`, when it ended (UTC); the `studies` that it
    belongs to, newest first; its `point` in the newest of them; and the parts `edited` since. Raises CorruptionError
    for a damaged file."""
    places: dict[str, list[tuple[str, str]]] = {}
    for study in store.studies():
        for entry in store.read_study(study)["runs"]:
            places.setdefault(entry["run"], []).append((study, entry["point"]))
    now: dict[tuple[str, str], str] = {}
    for run, row, source in read_contents(store):
        found = places.get(run, [])
        yield {
            "run": run,
            **row,
            "studies": [study for study, _ in found],
            "point": found[0][1] if found else "",
            "edited": edited_parts(source, row, now),
        }


def edited_since(store: Store, runs: Collection[str]) -> list[str]:
    """Returns the parts that were edited since any of these finished runs, as `pe=mine`. Raises CorruptionError for a
    damaged file of theirs."""
    if len(runs) >= row_cache.FEWEST:
        now: dict[tuple[str, str], str] = {}
        wanted = set(runs)
        with contextlib.suppress(CorruptionError):  # perhaps of another run
            every = [edited_parts(source, row, now) for run, row, source in read_contents(store) if run in wanted]
            return list(dict.fromkeys(part for parts in every for part in parts))
    return list(dict.fromkeys(part for run in runs if store.finished(run) for part in store.changed(run)))


def read_contents(store: Store) -> Iterator[tuple[str, Row, dict[str, str]]]:
    """Yields (run, settings and results, recorded source of the parts) of each published run, newest first: from the
    cache where the run is as it was when it was kept, else from its files, which are checked."""
    signed, path = sign_runs(store), store.root / "cache" / "runs"
    many = len(signed) >= row_cache.FEWEST
    kept = read_kept(path) if many else {}
    now: dict[str, Kept] = {}
    for run, (signature, changed) in signed.items():
        content = kept[run] if run in kept and kept[run][0] == signature else (signature, *read_content(store, run))
        if many and row_cache.is_settled(changed):
            now[run] = content
        yield run, *content[1:]
    if many and (now.keys() != kept.keys() or any(now[run] is not kept[run] for run in now)):
        write_kept(path, now)


def sign_runs(store: Store) -> dict[str, tuple[str, float]]:
    """Returns run -> (signature, time of the last change) of the published runs, newest first, as `Store.ids`."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(store.root / "runs") as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                finished = os.stat(f"{entry.path}/{READ[0]}").st_mtime
                found.append((-finished, entry.name, row_cache.signature(entry.path, READ)))
    return {run: signed for _, run, signed in sorted(found)}


def read_content(store: Store, run: str) -> tuple[Row, dict[str, str]]:
    """Reads the settings and results of a run, and the recorded source of its parts, from its files."""
    files = store.files(run)
    when = files.json("provenance.json")
    row = {**files.config().flat(), **files.result()}
    row |= {"seconds": when.get("seconds"), "finished": when.get("finished")}
    return row, dict(files.described.get("source", {}))


def read_kept(path: Path) -> dict[str, Kept]:
    """Returns run -> (signature, row, source) as they were kept; empty where nothing can be used."""
    parts = row_cache.open_parts(path)
    if parts is None:
        return {}
    try:
        names, sources, rows = json.loads(zlib.decompress(parts[0]))
        return {
            run: (signature, dict(zip(names[shape], values, strict=True)), sources[source])
            for run, signature, shape, source, values in rows
        }
    except (ValueError, TypeError, IndexError, RecursionError, zlib.error):
        return {}
    finally:
        parts.close()


def write_kept(path: Path, contents: Mapping[str, Kept]) -> None:
    """Keeps rows. Those with the same columns share their names, and those with the same parts their source."""
    names: dict[tuple[str, ...], int] = {}
    sources: dict[str, int] = {}
    rows = []
    for run, (signature, row, source) in contents.items():
        shape = names.setdefault(tuple(row), len(names))
        text = json.dumps(source)
        rows.append([run, signature, shape, sources.setdefault(text, len(sources)), list(row.values())])
    found = json.dumps([list(names), [json.loads(text) for text in sources], rows], separators=(",", ":"))
    row_cache.write_parts(path, [zlib.compress(found.encode(), 1)])
