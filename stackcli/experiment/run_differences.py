"""What differs between two runs, to the bit: the command `runs diff`. Never loads PyTorch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stackcli.common.wording import count_noun, format_setting
from stackcli.experiment.run_details import LONG
from stackcli.experiment.run_filters import is_missing
from stackcli.experiment.run_list import format_cell
from stackcli.experiment.store import Store

ROWS = ("curve", "layers", "stack")  # the measurements, FILE.jsonl
ALWAYS = ("seconds", "finished")  # of provenance; they differ between any two trainings


def compare_runs(store: Store, a: str, b: str) -> dict[str, Any]:
    """Returns what differs between two runs: `settings`, `source` (parts whose source differs), `result` and
    `provenance`, each key -> the two values; for `curve`, `layers` and `stack` the number of `rows` of each and the
    `first_step` (in `stack`: the first `layer`) at which they are not equal to the bit, None where they are; and
    `identical`: whether the results and all measurements are equal. Raises CorruptionError for a damaged file."""
    store.check_runs((a, b), weights=True)
    first, second = store.files(a), store.files(b)
    results = _both(store.result(a), store.result(b))
    sources = (files.described.get("source", {}) for files in (first, second))
    found: dict[str, Any] = {
        "a": a,
        "b": b,
        "settings": _both(store.config(a).flat(), store.config(b).flat()),
        "source": sorted(_both(*sources)),
        "result": results,
        "provenance": _both(*(files.json("provenance.json") for files in (first, second))),
        **{name: first_difference(first.lines(f"{name}.jsonl"), second.lines(f"{name}.jsonl")) for name in ROWS},
    }
    return {**found, "identical": not results and all(found[name]["identical"] for name in ROWS)}


def _both(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Returns the keys whose values differ, with both; NaN equals NaN."""
    return {key: [a.get(key), b.get(key)] for key in {**a, **b} if repr(a.get(key)) != repr(b.get(key))}


def first_difference(rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compares the measurements of two runs row by row."""
    pairs = zip(rows, others, strict=False)
    differ = next((i for i, (x, y) in enumerate(pairs) if repr(sorted(x.items())) != repr(sorted(y.items()))), None)
    if differ is None and len(rows) != len(others):
        differ = min(len(rows), len(others))
    found: dict[str, Any] = {"identical": differ is None, "rows": [len(rows), len(others)], "first_step": None}
    if differ is None:
        return found
    at = (rows if differ < len(rows) else others)[differ]
    x, y = (each[differ] if differ < len(each) else {} for each in (rows, others))
    where = {"first_step": at.get("step"), "layer": at.get("layer"), "tensor": at.get("tensor")}
    return {**found, **where, "values": _both(x, y)}


# ---- as text


def difference_rows(found: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str, str, str]]:
    """Yields name, value in a, value in b and the difference b - a of what differs; `kind`: settings, result or
    provenance."""
    for key, (a, b) in found[kind].items():
        if key == "weights_hash":
            yield key, str(a)[:12] or "-", str(b)[:12] or "-", "other weights"
        elif kind == "result" and key in LONG:
            yield key, *_long_cells(a, b)
        elif kind == "result":
            yield key, format_cell(a) or "-", format_cell(b) or "-", _difference(a, b)
        else:
            show = format_setting if kind == "settings" else format_cell
            yield key, show(a) or "-", show(b) or "-", ""


def _long_cells(a: Any, b: Any) -> tuple[str, str, str]:
    """A list, or the answers to the test items, which have no room in a table."""
    if not a or not b or len(a) != len(b):
        return count_noun(len(a or ()), "values"), count_noun(len(b or ()), "values"), "other values"
    differ = sum(repr(x) != repr(y) for x, y in zip(a, b, strict=True))
    if isinstance(a, str):
        return f"{a.count('1')} right", f"{b.count('1')} right", f"{differ} of {len(a)} differ"
    return count_noun(len(a), "values"), count_noun(len(b), "values"), f"{differ} of {len(a)} differ"


def _difference(a: Any, b: Any) -> str:
    numbers = [v for v in (a, b) if isinstance(v, int | float) and not isinstance(v, bool) and not is_missing(v)]
    return f"{numbers[1] - numbers[0]:+.4g}" if len(numbers) == 2 else ""


def difference_sentences(found: Mapping[str, Any]) -> list[str]:
    """Says which of the measurements are equal to the bit, and where the others begin to differ."""
    out = []
    for name, what in zip(ROWS, ("curve", "layers during training", "layers after training"), strict=True):
        out.append(f"{what}: {_describe_rows(found[name])}")
    if found["source"]:
        out.append(f"source of parts that differs: {', '.join(found['source'])}")
    if found["identical"]:
        out.append("results and measurements are identical, to the bit")
    return out


def _describe_rows(found: Mapping[str, Any]) -> str:
    a, b = found["rows"]
    if found["identical"]:
        return f"identical, {count_noun(a, 'rows')}" if a else "identical, nothing measured"
    values = found["values"]
    step, layer = found["first_step"], found["layer"]
    where = [f"step {step}"] * (step is not None) + [f"layer {layer}"] * (layer is not None)
    at = ", ".join([*where, *([str(found["tensor"])] if found["tensor"] else [])])
    if not all(any(v is not None for v in side) for side in zip(*values.values(), strict=True)):
        return f"one has {a:,} rows and the other {b:,}; equal up to {at}"
    names = [key for key in values if key not in ("step", "layer", "tensor")]
    shown = _shown(values, names[:1] or list(values)[:1])
    return f"differ from {at} on: {shown}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _shown(values: Mapping[str, Sequence[Any]], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {values[name][0]!r} and {values[name][1]!r}" for name in names)
