"""The studies of a store: listed, shown and renamed. The command `studies`. Never loads PyTorch."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.atomic_files import flush_folder
from stackcli.common.wording import count_noun, format_setting
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.load import with_new_names
from stackcli.experiment.next_command import quote_word
from stackcli.experiment.run_details import file_sizes, format_bytes
from stackcli.experiment.run_list import describe_age, fit_name
from stackcli.experiment.store import STUDY, Store
from stackcli.experiment.studies import check_name
from stackcli.experiment.trash import is_trained_now

WORDS = {"remedies": "ablate-depth", "search": "sweep", "halving": "sweep"}  # study -> the command that makes it


def list_studies(store: Store) -> Iterator[dict[str, Any]]:
    """Yields a row for each study, newest first: `study`, `command`, `axes`, `finished` and `planned` runs, when it
    was last `changed` (UTC), and the `bytes` of its folder, without the runs."""
    for name in store.studies():
        study, folder = _read(store, name), store.study(name)
        runs = list(dict.fromkeys(entry["run"] for entry in study["runs"]))
        when = datetime.fromtimestamp((folder / "study.json").stat().st_mtime, UTC)
        yield {
            "study": name,
            "command": study["command"],
            "axes": study["axes"],
            "finished": sum(store.finished(run) for run in runs),
            "planned": len(runs),
            "changed": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "bytes": sum(f.stat().st_size for f in folder.iterdir() if f.is_file()),
        }


def _read(store: Store, name: str) -> dict[str, Any]:
    return with_new_names(store.read(store.study(name) / "study.json", *STUDY))


def studies_table(rows: Sequence[Mapping[str, Any]]) -> TerminalTable:
    """Returns the studies as a table for a terminal."""
    heads = ("study", "runs", "axes", "command", "age", "size")
    hint = "a wider terminal or --json shows them"
    drop = ("size", "command", "axes")
    table = TerminalTable(heads, left=(0, 2, 3), wrap=(2,), keys=1, drop=drop, hint=hint)
    for row in rows:
        table.add_row(fit_name(row["study"]), *_cells(row))
    return table


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    runs = f"{row['finished']} of {row['planned']}"
    axes = ", ".join(row["axes"]) or "-"
    return runs, axes, row["command"], describe_age(row["changed"]), format_bytes(row["bytes"])


def study_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the studies as lines under a head, for a file or another program; names in full."""
    lines = [("study", "runs", "axes", "command", "age", "size"), *((row["study"], *_cells(row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def describe_study(store: Store, name: str) -> dict[str, Any]:
    """Returns what is known of a study: that of `list_studies`; `values` of each axis; `seeds`; `base`, the settings
    that all runs share; `statuses`, how many runs are done, diverged, failed, lost or missing; `points`, the finished
    and planned runs of each; `files` with their bytes; and its `line`, the command that makes it."""
    row = next(row for row in list_studies(store) if row["study"] == name)
    study, folder = _read(store, name), store.study(name)
    points: dict[str, list[int]] = {}
    statuses: Counter[str] = Counter()
    for entry in study["runs"]:
        there = store.finished(entry["run"])
        counts = points.setdefault(entry["point"], [0, 0])
        counts[0] += there
        counts[1] += 1
        statuses[store.result(entry["run"])["status"] if there else entry.get("status", "missing")] += 1
    return {
        **row,
        "values": {a: list(dict.fromkeys(e["settings"].get(a) for e in study["runs"])) for a in study["axes"]},
        "seeds": sorted({e["settings"]["seed"] for e in study["runs"] if "seed" in e["settings"]}),
        "base": study["base"],
        "statuses": dict(statuses),
        "points": points,
        "files": {f.name: f.stat().st_size for f in sorted(folder.iterdir()) if f.is_file()},
        "line": command_line(name, study, store),
    }


def command_line(name: str, study: Mapping[str, Any], store: Store) -> str:
    """Returns the command that makes a study, or goes on with it; empty where the words typed are not stored."""
    overrides = [str(word) for word in study.get("overrides", ())]
    if "arm" in study["axes"] or not overrides:
        return "" if overrides else f"stackattn {WORDS.get(study['command'], study['command'])} --study {name}"
    words = ["stackattn", WORDS.get(study["command"], study["command"]), *map(quote_word, overrides), "--study", name]
    place = [] if str(store.root) == "outputs" else ["--out", quote_word(str(store.root))]
    return " ".join([*words, *place])


def describe_lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields what `describe_study` found as pairs of a name and a text."""
    yield "study", found["study"]
    yield (
        "runs",
        f"{found['finished']} of {found['planned']} finished"
        + "".join(f", {count} {status}" for status, count in sorted(found["statuses"].items()) if status != "done"),
    )
    yield "changed", f"{found['changed']} ({describe_age(found['changed'])} ago)"
    for axis, values in found["values"].items():
        yield axis, ", ".join(map(format_setting, values))
    if found["seeds"]:
        yield "seed", ", ".join(map(str, found["seeds"]))
    yield "runs of each point", ""
    for point, (there, planned) in found["points"].items():
        yield "", f"{point or 'the only one'}: {there} of {planned}"
    yield "settings that all runs share", ""
    yield "", " ".join(f"{key}={format_setting(value)}" for key, value in found["base"].items())
    yield "files", ""
    files = found["files"]
    yield "", file_sizes(files)
    yield "", f"{count_noun(len(files), 'files')}, {format_bytes(sum(files.values()))}"


def rename_study(store: Store, old: str, new: str) -> None:
    """Renames a study. Raises ValueError for a name that is none, ConflictError where there is a study of that name or
    a run of the study is being trained."""
    check_name(new)
    check_idle(store, old)
    first, second = sorted((old, new))
    if old == new:
        raise ConflictError(f"study {new}: that is its name")
    with store.locked_study(first), store.locked_study(second):
        if store.study(new).exists():
            raise ConflictError(f"study {new}: there is one of that name; choose another")
        if not store.study(old).is_dir():
            raise ValueError(f"study {old}: gone, renamed or removed by another process")
        os.rename(store.study(old), store.study(new))
        flush_folder(store.root / "studies")


def check_idle(store: Store, name: str) -> None:
    """Raises ConflictError where a run of a study is being trained at the moment."""
    runs = dict.fromkeys(entry["run"] for entry in store.read_study(name)["runs"])
    busy = [run for run in runs if is_trained_now(store, run)]
    if busy:
        raise ConflictError(f"study {name}: {count_noun(len(busy), 'runs are', 'run is')} being trained; stop it first")
