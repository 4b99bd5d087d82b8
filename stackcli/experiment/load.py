"""Reads the files of a study into DataFrames."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common.atomic_files import CorruptionError
from stackcli.common.encodable import replace_surrogates
from stackcli.common.memory import give_back_memory
from stackcli.common.records import Result
from stackcli.experiment.run_files import RunFiles
from stackcli.experiment.store import STUDY, Store
from stackcli.experiment.study_rows import KINDS, Columns, Kept, KeptStudy

if TYPE_CHECKING:
    from stackcli.analysis.study_data import Frames

DAMAGE = (KeyError, TypeError, AttributeError, IndexError, ValueError)  # of a file with other content than was written
OLD_AXIS, AXIS = "sick", "affected"  # the former and the present name of the second axis of a study of remedies


def with_new_names(study: dict[str, Any]) -> dict[str, Any]:
    """Returns a study of remedies with the present name of its second axis."""
    if OLD_AXIS not in study["axes"]:
        return study
    runs = [
        {
            **entry,
            "point": entry["point"].replace(f"{OLD_AXIS}=", f"{AXIS}="),
            "settings": {AXIS if key == OLD_AXIS else key: value for key, value in entry["settings"].items()},
        }
        for entry in study["runs"]
    ]
    return {**study, "axes": [AXIS if axis == OLD_AXIS else axis for axis in study["axes"]], "runs": runs}


def _read_study(store: Store, name: str) -> dict[str, Any]:
    path = store.study(name) / "study.json"
    if not path.is_file():
        raise ValueError(
            f"--study {name}: no such study in {store.root}; there are: {', '.join(store.studies()) or 'none'}"
        )
    study = store.read(path, *STUDY)
    if b"\\ud" in path.read_bytes():  # the escape of half of a surrogate pair, which tables cannot hold
        study = _without_surrogates(study)
    return with_new_names(study)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, dict):
        return {replace_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value


def load_study(store: Store, name: str) -> "Frames":
    """Reads a study; a run that is missing is a row without numbers. Raises ValueError for an unknown study."""
    from stackcli.analysis.study_data import Frames

    study = _read_study(store, name)
    axes, timings = tuple(study["axes"]), store.timings(name)
    rows, finished = [], []
    kept = KeptStudy(store, name, [entry["run"] for entry in study["runs"]], axes)
    tables = [Columns(kind, axes, kept) for kind in KINDS.values()]
    found: dict[str, tuple[dict[str, Any], Any]] = {}
    for entry in study["runs"]:
        row = {"run": entry["run"], "arm": entry["arm"], "point": entry["point"], **entry["settings"]}
        head = {key: row.get(key) for key in ("run", "arm", "point", "seed", *axes)}
        files = store.files(entry["run"])
        row["facts"] = entry["facts"]
        if not files.folder.is_dir():
            rows.append({**row, "status": entry.get("status", "missing")})
            continue
        try:
            result, seconds = found[entry["run"]] = _add_run(files, head, tables, kept.runs.get(entry["run"]))
            rows.append({**row, **result, **_times(entry, timings, seconds)})
        except CorruptionError:
            raise
        except DAMAGE as error:
            raise _damaged(files.folder, error) from error
        finished.append((head, files))
    kept.keep(found, tables)
    machines = [timings[e["timing"]]["machine"] for e in study["runs"] if e["timing"] in timings]
    runs = _runs_frame(rows)
    _free(rows, found, kept.runs, study["runs"])
    curve, layers, stack = (table.frame() for table in tables)
    return Frames(
        study=name,
        command=study["command"],
        axes=axes,
        overrides=tuple(study.get("overrides", ())),
        match=study.get("match", {}),
        chosen=tuple(study.get("chosen", ())),
        known=study.get("known", {}),
        runs=runs,
        curve=curve,
        layers=layers,
        stack=stack,
        position_tables=lambda: _position_tables(finished),
        score_tables=lambda: _score_tables(store, [{**head, "status": "done"} for head, _ in finished]),
        attack_rows=lambda: _attack_rows(store, [{**head, "status": "done"} for head, _ in finished]),
        facts=study["facts"],
        machine={**machines[0], "loads": _loads(machines)} if machines else {},
    )


def _loads(machines: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Returns the loads of all timing passes of a study; None for one that did not record it."""
    return [load for machine in machines for load in machine.get("loads", [None])]


def _add_run(
    files: RunFiles, head: Mapping[str, Any], tables: Sequence[Columns], kept: Kept | None
) -> tuple[dict[str, Any], Any]:
    """Adds the rows of a run to the tables; returns its result and the seconds that it took."""
    if kept is not None:
        for table in tables:
            table.add_kept(head, kept)
        return kept.result, kept.seconds
    result, seconds = files.result(), files.json("provenance.json").get("seconds")
    rows = [files.lines(f"{name}.jsonl") for name in KINDS]
    for table, mine in zip(tables, rows, strict=True):
        table.add(head, mine)
    return result, seconds


def _times(entry: Mapping[str, Any], timings: Mapping[str, Any], seconds: Any) -> dict[str, Any]:
    """Returns how long a run took, and how long a step of its architecture takes."""
    times = {**timings.get(entry["timing"], {}).get("times", {}), "seconds": seconds}
    if entry.get("timing_same") in timings:
        times["step_ms_same"] = timings[entry["timing_same"]]["times"]["step_ms"]
    return times


def _free(*used: list[Any] | dict[Any, Any]) -> None:
    """Empties lists and dicts of many small objects that nothing else needs, before large arrays are made."""
    for each in used:
        each.clear()
    give_back_memory()


def _runs_frame(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Returns a row for each run, with a column for every field of a result."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    results = [f.name for f in fields(Result)]
    return _numbers(frame.reindex(columns=[*frame.columns, *(c for c in results if c not in frame.columns)]), pd)


def _numbers(frame: Any, pd: Any) -> Any:
    """Turns columns of numbers with gaps into float columns with NaN."""
    for column in [name for name, kind in frame.dtypes.items() if kind == "object"]:
        values = frame[column].dropna()
        if len(values) and values.map(lambda v: isinstance(v, int | float) and not isinstance(v, bool)).all():
            frame[column] = pd.to_numeric(frame[column])
        elif frame[column].isna().all() and column in {f.name for f in fields(Result)}:
            frame[column] = frame[column].astype(float)
    return frame


OLD_NAMES = {"table as drawn": "table at initialisation"}  # of tables in runs of earlier versions


def _position_tables(finished: Sequence[tuple[Mapping[str, Any], RunFiles]]) -> Any:
    """Reads the position tables of runs, given as (values that its rows share, files): a row for each table."""
    import numpy as np
    import pandas as pd

    rows = []
    for head, files in finished:
        tables = files.json("position.json", kind=list)
        try:
            rows += [
                {
                    **head,
                    "tensor": OLD_NAMES.get(table["name"], table["name"]),
                    "at": np.array(table["at"], dtype=int),
                    "values": np.array(table["rows"], dtype=float),  # numbers that are not finite are texts
                    "reach": np.array(table["reach"], dtype=float) if "reach" in table else None,
                }
                for table in tables
            ]
        except DAMAGE as error:
            raise _damaged(files.folder, error) from error
    return pd.DataFrame(rows)


def _score_tables(store: Store, runs: Sequence[Mapping[str, Any]]) -> Any:
    """The scores of explanations and what each head looks at, for runs that have them."""
    import pandas as pd

    from stackcli.experiment.explanation_scores import head_rows, read_scores, score_rows

    found = [(head, read_scores(store, head["run"])) for head in runs]
    return pd.DataFrame(score_rows(found)), pd.DataFrame(head_rows(found))


def _attack_rows(store: Store, runs: Sequence[Mapping[str, Any]]) -> Any:
    """What each attack does at each budget, for runs that were attacked."""
    import pandas as pd

    from stackcli.experiment.attack_scores import attack_rows, read_attacks

    return pd.DataFrame(attack_rows([(head, read_attacks(store, head["run"])) for head in runs]))


def _damaged(folder: Path, error: Exception) -> CorruptionError:
    return CorruptionError(f"{folder}: damaged ({error!r}); delete it and run the command again")
