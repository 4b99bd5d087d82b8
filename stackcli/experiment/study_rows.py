"""The rows of a study's runs as columns, kept in OUT/cache so that the next command need not read every run."""

import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from types import NoneType
from typing import Any, NamedTuple

from stackcli.common.records import LayerRow, StackRow, StepRow
from stackcli.experiment import row_cache
from stackcli.experiment.kept_columns import pack_column, unpack_column
from stackcli.experiment.store import Store

READ = ("result.json", "provenance.json", "curve.jsonl", "layers.jsonl", "stack.jsonl", "manifest.json")
KINDS = {"curve": StepRow, "layers": LayerRow, "stack": StackRow}
SHARED = ("run", "arm", "point", "seed")  # columns that all rows of a run have alike, with the axes


class Kept(NamedTuple):
    """A run in the cache: its result, the seconds it took, and where its rows of each kind begin and how many there
    are."""

    result: dict[str, Any]
    seconds: Any
    places: list[tuple[int, int]]


class KeptStudy:
    """The cache of a study. It is used only while every run in it is still in the study and as it was; runs that were
    added since are read from their files."""

    def __init__(self, store: Store, name: str, runs: Sequence[str], axes: Sequence[str]) -> None:
        self.path = store.root / "cache" / f"study-{name}"
        named = {f.name for kind in KINDS.values() for f in fields(kind)} - {"lr"}  # every row of a curve has a rate
        self.used = len(set(runs)) >= row_cache.FEWEST and not named & {*SHARED, *axes}
        self.signed: dict[str, tuple[str, float]] = {}
        self.runs: dict[str, Kept] = {}
        self.columns: list[list[list[Any]]] = []  # of each kind: name, kind of column, numbers of its parts
        self.parts = row_cache.open_parts(self.path) if self.used else None
        if self.used:
            self.signed = dict(self._sign(store, runs))
        if self.parts is not None and not self._read():
            self.runs = {}

    def _sign(self, store: Store, runs: Sequence[str]) -> Iterator[tuple[str, tuple[str, float]]]:
        folder = str(store.root / "runs")
        for run in dict.fromkeys(runs):
            try:
                yield run, row_cache.signature(f"{folder}/{run}", READ)
            except OSError:  # it is not published
                continue

    def _read(self) -> bool:
        """Reads the results; returns whether the cache can be used."""
        assert self.parts is not None
        try:
            names, runs, self.columns = json.loads(zlib.decompress(self.parts[0]))
            at = [0] * len(KINDS)
            for run, signature, shape, values, seconds, counts in runs:
                if run not in self.signed or self.signed[run][0] != signature:
                    return False
                places = list(zip(at, counts, strict=True))
                self.runs[run] = Kept(dict(zip(names[shape], values, strict=True)), seconds, places)
                at = [before + count for before, count in zip(at, counts, strict=True)]
            self.sizes = at
            expected = [[f.name for f in fields(kind)] for kind in KINDS.values()]
            return [[column[0] for column in columns] for columns in self.columns] == expected
        except (ValueError, TypeError, IndexError, KeyError, RecursionError, zlib.error):
            return False

    def column(self, kind: int, name: str) -> Any:
        """Returns the values of a column for all kept runs."""
        assert self.parts is not None
        how, numbers = next(column[1:] for column in self.columns[kind] if column[0] == name)
        return unpack_column(how, [self.parts[number] for number in numbers], self.sizes[kind])

    def keep(self, found: Mapping[str, tuple[dict[str, Any], Any]], tables: Sequence["Columns"]) -> None:
        """Writes the cache where it lacks a run that was read. `found`: run -> its result and seconds; `tables`: its
        rows of each kind, in the same order."""
        settled = all(run in self.signed and row_cache.is_settled(self.signed[run][1]) for run in found)
        if not self.used or not found.keys() - self.runs.keys() or not settled:
            return
        if any(len(table.counts) != len(found) for table in tables):  # a run that is there twice
            return
        names: dict[tuple[str, ...], int] = {}
        runs = []
        for i, (run, (result, seconds)) in enumerate(found.items()):
            shape = names.setdefault(tuple(result), len(names))
            counts = [table.counts[i] for table in tables]
            runs.append([run, self.signed[run][0], shape, list(result.values()), seconds, counts])
        parts: list[bytes] = [b""]
        columns: list[list[list[Any]]] = [[] for _ in tables]
        for table, mine in zip(tables, columns, strict=True):
            for name in table.own:
                how, packed = pack_column(table.column(name))
                mine.append([name, how, [len(parts) + i for i in range(len(packed))]])
                parts += packed
        parts[0] = zlib.compress(json.dumps([list(names), runs, columns]).encode(), 1)
        row_cache.write_parts(self.path, parts)


class Columns:
    """The rows of many runs, column by column as arrays: as dicts they would take ten times the memory."""

    def __init__(self, kind: Any, axes: Sequence[str], kept: KeptStudy | None = None) -> None:
        self.own = [f.name for f in fields(kind)]
        self.names = list(dict.fromkeys([*SHARED, *axes, *self.own]))
        self.kept, self.number = kept, list(KINDS.values()).index(kind)
        self.heads: list[Mapping[str, Any]] = []
        self.counts: list[int] = []
        self.spans: list[tuple[int, int] | dict[str, Any]] = []  # rows of the cache, or arrays of a run that was read
        self.texts: dict[str, str] = {}  # equal texts share one object

    def add(self, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the rows of a run. `head` has the values that all of them share; a value of the row itself comes
        first."""
        self.heads.append(head)
        self.counts.append(len(rows))
        self.spans.append({n: self._array([row.get(n, shared) for row in rows]) for n, shared in self._own(head)})

    def add_kept(self, head: Mapping[str, Any], run: Kept) -> None:
        """Adds the rows of a run from the cache."""
        begin, count = run.places[self.number]
        self.heads.append(head)
        self.counts.append(count)
        last = self.spans[-1] if self.spans else None
        if isinstance(last, tuple) and last[1] == begin:
            self.spans[-1] = (last[0], begin + count)
        else:
            self.spans.append((begin, begin + count))

    def _own(self, head: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name in self.own:
            yield name, head.get(name)

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

    def shared_column(self, name: str) -> Any:
        """Returns the values of a column that all rows of a run have alike; texts are repeated as pandas holds them,
        which takes less memory than a million objects."""
        import pandas as pd

        values = [math.nan if head.get(name) is None else head[name] for head in self.heads]
        return pd.Series(self._array(values)).array.repeat(self.counts) if values else []

    def column(self, name: str) -> Any:
        """Returns the values of an own column, an array with a value for each row."""
        import numpy as np

        whole = None
        parts = []
        for span in self.spans:
            if isinstance(span, tuple):
                assert self.kept is not None
                whole = self.kept.column(self.number, name) if whole is None else whole
                parts.append(whole[span[0] : span[1]])
            else:
                parts.append(span[name])
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else []

    def frame(self) -> Any:
        import pandas as pd

        columns = {}
        for name in self.names:
            columns[name] = self.column(name) if name in self.own else self.shared_column(name)
            for span in self.spans:
                if isinstance(span, dict):
                    span.pop(name, None)  # it is in the column now
        return pd.DataFrame(columns, copy=False)
