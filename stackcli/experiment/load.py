"""Reads the files of a study into DataFrames."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from stackcli.common.atomic_files import CorruptionError
from stackcli.common.encodable import replace_surrogates
from stackcli.common.records import LayerRow, Result, StackRow, StepRow
from stackcli.experiment.run_files import RunFiles
from stackcli.experiment.store import STUDY, Store

if TYPE_CHECKING:
    from stackcli.analysis.study_data import Frames

DAMAGE = (KeyError, TypeError, AttributeError, IndexError, ValueError)  # of a file with other content than was written
OLD_AXIS, AXIS = "sick", "affected"  # the former and the present name of the second axis of a study of remedies


def _with_new_names(study: dict[str, Any]) -> dict[str, Any]:
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
    return _with_new_names(study)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, dict):
        return {replace_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value


def load_study(store: Store, name: str) -> "Frames":
    """Reads a study; a run that is missing is a row without numbers. Raises ValueError for an unknown study."""
    import pandas as pd

    from stackcli.analysis.study_data import Frames

    study = _read_study(store, name)
    axes, timings = tuple(study["axes"]), store.timings(name)
    rows, finished = [], []
    curve, layers, stack = (_Columns(kind, axes) for kind in (StepRow, LayerRow, StackRow))
    for entry in study["runs"]:
        row = {"run": entry["run"], "arm": entry["arm"], "point": entry["point"], **entry["settings"]}
        head = {key: row.get(key) for key in ("run", "arm", "point", "seed", *axes)}
        files = store.files(entry["run"])
        row["facts"] = entry["facts"]
        if not files.folder.is_dir():
            rows.append({**row, "status": entry.get("status", "missing")})
            continue
        try:
            rows.append({**row, **files.result(), **_times(entry, timings, files)})
            curve.add(head, files.lines("curve.jsonl"))
            layers.add(head, files.lines("layers.jsonl"))
            stack.add(head, files.lines("stack.jsonl"))
        except CorruptionError:
            raise
        except DAMAGE as error:
            raise _damaged(files.folder, error) from error
        finished.append((head, files))
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
        curve=curve.frame(),
        layers=layers.frame(),
        stack=stack.frame(),
        position_tables=lambda: _position_tables(finished),
        score_tables=lambda: _score_tables(store, [{**head, "status": "done"} for head, _ in finished]),
        attack_rows=lambda: _attack_rows(store, [{**head, "status": "done"} for head, _ in finished]),
        facts=study["facts"],
        machine={**machines[0], "loads": _loads(machines)} if machines else {},
    )


def _loads(machines: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Returns the loads of all timing passes of a study; None for one that did not record it."""
    return [load for machine in machines for load in machine.get("loads", [None])]


def _times(entry: Mapping[str, Any], timings: Mapping[str, Any], files: RunFiles) -> dict[str, Any]:
    """Returns how long a run took, and how long a step of its architecture takes."""
    seconds = files.json("provenance.json").get("seconds")
    times = {**timings.get(entry["timing"], {}).get("times", {}), "seconds": seconds}
    if entry.get("timing_same") in timings:
        times["step_ms_same"] = timings[entry["timing_same"]]["times"]["step_ms"]
    return times


def _numbers(frame: Any, pd: Any) -> Any:
    """Turns columns of numbers with gaps into float columns with NaN."""
    for column in frame.columns:
        values = frame[column].dropna()
        if len(values) and values.map(lambda v: isinstance(v, int | float) and not isinstance(v, bool)).all():
            frame[column] = pd.to_numeric(frame[column])
        elif frame[column].isna().all() and column in {f.name for f in fields(Result)}:
            frame[column] = frame[column].astype(float)
    return frame


class _Columns:
    """The rows of many runs, column by column as arrays: as dicts they would take ten times the memory."""

    def __init__(self, kind: Any, axes: tuple[str, ...]) -> None:
        own = [f.name for f in fields(kind)]
        names = dict.fromkeys(["run", "arm", "point", "seed", *axes, *own])
        self.own, self.parts = set(own), {name: list[Any]() for name in names}
        self.texts: dict[str, str] = {}  # equal texts share one object

    def add(self, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the rows of a run. `head` has the values that all of them share; a value of the row itself comes
        first."""
        import numpy as np

        for name, parts in self.parts.items():
            if name in self.own:
                shared = head.get(name)
                values = [row.get(name, shared) for row in rows]
                parts.append(self._array(values))
            else:
                parts.append(np.repeat(self._array([head.get(name)]), len(rows)))

    def _array(self, values: list[Any]) -> Any:
        import numpy as np

        kinds = set(map(type, values))
        if kinds <= {int}:
            return np.array(values, dtype=np.int64)
        if kinds <= {int, float, NoneType}:
            return np.array([math.nan if v is None else v for v in values], dtype=float)
        out = np.empty(len(values), dtype=object)
        out[:] = [self.texts.setdefault(v, v) if isinstance(v, str) else v for v in values]
        return out

    def frame(self) -> Any:
        import numpy as np
        import pandas as pd

        columns: dict[str, Any] = {name: np.concatenate(parts) if parts else [] for name, parts in self.parts.items()}
        return pd.DataFrame(columns, copy=False)


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
