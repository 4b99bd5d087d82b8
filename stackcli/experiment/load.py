"""A study's files -> DataFrames."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common.atomic_files import CorruptionError, read_json, read_lines
from stackcli.common.records import LayerRow, Result, StackRow, StepRow, parse_number
from stackcli.experiment.store import STUDY, Store

if TYPE_CHECKING:
    from stackcli.analysis.study_data import Frames

OLD_AXIS, AXIS = "sick", "affected"  # of studies of remedies


def _with_new_names(study: dict[str, Any]) -> dict[str, Any]:
    """A study of remedies as it is written today: its second axis was once called otherwise."""
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


def load_study(store: Store, name: str) -> "Frames":
    """A study as DataFrames: k of n runs where some are missing. Raises ValueError for an unknown study."""
    import pandas as pd

    from stackcli.analysis.study_data import Frames

    path = store.study(name) / "study.json"
    if not path.is_file():
        raise ValueError(
            f"--study {name}: no such study in {store.root}; there are: {', '.join(store.studies()) or 'none'}"
        )
    study = _with_new_names(read_json(path, *STUDY))
    axes, timings = tuple(study["axes"]), store.timings(name)
    rows, curve, layers, stack, position = [], [], [], [], []
    for entry in study["runs"]:
        row = {"run": entry["run"], "arm": entry["arm"], "point": entry["point"], **entry["settings"]}
        head = {key: row.get(key) for key in ("run", "arm", "point", "seed", *axes)}
        folder = store.run(entry["run"])
        row["facts"] = entry["facts"]
        if not (folder / "result.json").is_file():
            rows.append({**row, "status": entry.get("status", "missing")})
            continue
        try:
            rows.append({**row, **store.result(entry["run"]), **_times(entry, timings, folder)})
            curve += [{**head, **r} for r in read_lines(folder / "curve.jsonl")]
            layers += [{**head, **r} for r in read_lines(folder / "layers.jsonl")]
            stack += [{**head, **r} for r in read_lines(folder / "stack.jsonl")]
            position.append(_position(head, read_json(folder / "position.json", kind=list), pd))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise CorruptionError(f"{folder}: damaged ({error!r}); delete it and run the command again") from error
    machines = [timings[e["timing"]]["machine"] for e in study["runs"] if e["timing"] in timings]
    results = [f.name for f in fields(Result)]
    frame = pd.DataFrame(rows)
    frame = frame.reindex(columns=[*frame.columns, *(c for c in results if c not in frame.columns)])
    return Frames(
        study=name,
        command=study["command"],
        axes=axes,
        overrides=tuple(study.get("overrides", ())),
        match=study.get("match", {}),
        chosen=tuple(study.get("chosen", ())),
        known=study.get("known", {}),
        runs=_numbers(frame, pd),
        curve=_long(curve, StepRow, axes, pd),
        layers=_long(layers, LayerRow, axes, pd),
        stack=_long(stack, StackRow, axes, pd),
        position=pd.concat(position, ignore_index=True) if position else pd.DataFrame(),
        facts=study["facts"],
        machine=machines[0] if machines else {},
    )


def _times(entry: Mapping[str, Any], timings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """How long a run took, and what a step of its architecture takes, alone on the machine."""
    seconds = read_json(folder / "provenance.json").get("seconds")
    times = {**timings.get(entry["timing"], {}).get("times", {}), "seconds": seconds}
    if entry.get("timing_same") in timings:
        times["step_ms_same"] = timings[entry["timing_same"]]["times"]["step_ms"]
    return times


def _numbers(frame: Any, pd: Any) -> Any:
    """Columns of numbers with gaps become float columns with NaN."""
    for column in frame.columns:
        values = frame[column].dropna()
        if len(values) and values.map(lambda v: isinstance(v, int | float) and not isinstance(v, bool)).all():
            frame[column] = pd.to_numeric(frame[column])
        elif frame[column].isna().all() and column in {f.name for f in fields(Result)}:
            frame[column] = frame[column].astype(float)
    return frame


def _long(rows: list[dict[str, Any]], kind: Any, axes: tuple[str, ...], pd: Any) -> Any:
    columns = list(dict.fromkeys(["run", "arm", "point", "seed", *axes, *(f.name for f in fields(kind))]))
    return pd.DataFrame(rows, columns=columns)


def _position(head: Mapping[str, Any], tables: list[dict[str, Any]], pd: Any) -> Any:
    out = []
    for table in tables:
        n, width = len(table["at"]), len(table["rows"][0]) if table["rows"] else 0
        frame = pd.DataFrame(
            {
                "tensor": table["name"],
                "position": [at for at in table["at"] for _ in range(width)],
                "dimension": list(range(width)) * n,
                "value": [parse_number(value) for row in table["rows"] for value in row],
            }
        )
        out.append(frame.assign(**head))
    return pd.concat(out, ignore_index=True) if out else pd.DataFrame()
