"""How a cost grows: exponents with intervals, crossovers of kinds of attention, and costs at lengths not measured.

`points` is a frame with a row for each measured point: the axes, `seq` among them (tokens), `status` (only rows that
are "done" count), `step_ms`, `memory` (bytes), and other numbers of `diagnostics.step_cost`. An arm is a choice of
every axis except one, along which a cost is followed.

An exponent is the slope of log cost against log length. A cost such as a n + b n^2 is not a power of n: its slope
grows, so the exponent over all lengths lies between that of the shortest and that of the longest ones. The interval of
the exponent is that of the regression, so it contains the curvature as if it were noise.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from stackcli.analysis.statistics import LEVEL

FITTED = 3  # lengths that a prediction needs, besides the one that it is checked on
Floats = NDArray[np.float64]


class Power(NamedTuple):
    """cost ~ x^exponent over `n` points, the bounds of its 95 % interval (NaN for fewer than three points), and `last`,
    the slope between the two largest x."""

    exponent: float
    low: float
    high: float
    last: float
    n: int


class Crossover(NamedTuple):
    """Where one cost is lower than another: "always", "never", "from" this x on up to the largest, or "below" it."""

    kind: str
    at: float = math.nan


class Prediction(NamedTuple):
    """A cost fitted to all lengths but the longest: `predicted` and `measured` at the longest; `beyond`, the cost at
    twice the longest from a fit to all lengths."""

    length: float
    predicted: float
    measured: float
    beyond: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted / self.measured - 1


def clean_pairs(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Returns the pairs in which both are positive and finite, in the order of x."""
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    kept = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    order = np.argsort(a[kept], kind="stable")
    return a[kept][order], b[kept][order]


def fit_power(x: ArrayLike, y: ArrayLike) -> Power:
    """Fits y ~ x^p by least squares on both logarithms, with the t interval of the slope (n - 2 degrees of freedom).
    Values that are not positive are left out; with fewer than two different x the exponent is NaN."""
    a, b = clean_pairs(x, y)
    n = len(a)
    if len(set(a.tolist())) < 2:
        return Power(math.nan, math.nan, math.nan, math.nan, n)
    u, v = np.log(a), np.log(b)
    u0 = u - u.mean()
    slope = float(u0 @ v / (u0 @ u0))
    last = float((v[-1] - v[-2]) / (u[-1] - u[-2])) if u[-1] > u[-2] else math.nan
    if n < 3:
        return Power(slope, math.nan, math.nan, last, n)
    rest = v - v.mean() - slope * u0
    half = float(special.stdtrit(n - 2, (1 + LEVEL) / 2)) * math.sqrt(float(rest @ rest) / (n - 2) / float(u0 @ u0))
    return Power(slope, slope - half, slope + half, last, n)


def find_crossover(x: ArrayLike, cost: ArrayLike, other: ArrayLike) -> Crossover:
    """Returns where `cost` is lower than `other`, both measured at x, interpolated between neighbours on logarithms.
    Of several crossings the last one counts."""
    a, c, o = (np.asarray(values, dtype=float) for values in (x, cost, other))
    order = np.argsort(a)
    u, gap = np.log(a[order]), np.log(c[order] / o[order])  # below 0 where `cost` is lower
    lower = gap < 0
    if lower.all() or not lower.any():
        return Crossover("always" if lower.all() else "never")
    i = int(np.flatnonzero(lower[1:] != lower[:-1])[-1])
    at = math.exp(u[i] + (u[i + 1] - u[i]) * gap[i] / (gap[i] - gap[i + 1]))
    return Crossover("from" if lower[-1] else "below", at)


def fit_quadratic(n: ArrayLike, cost: ArrayLike) -> Floats:
    """Fits cost(n) = a + b n + c n^2 with a, b, c >= 0, (3,), by least squares on relative errors, as costs differ by
    orders of magnitude."""
    x, y = clean_pairs(n, cost)
    scale = x.max()
    terms = np.stack([np.ones_like(x), x / scale, (x / scale) ** 2], axis=1)
    found, _ = optimize.nnls(terms / y[:, None], np.ones_like(y))
    return np.asarray(found / scale ** np.arange(3), dtype=float)


def predict_longest(n: ArrayLike, cost: ArrayLike) -> Prediction | None:
    """Predicts the cost at the longest length from all others, and at twice the longest from all; None with fewer than
    FITTED other lengths."""
    x, y = clean_pairs(n, cost)
    if len(x) <= FITTED:
        return None
    powers = np.arange(3)
    predicted = float(fit_quadratic(x[:-1], y[:-1]) @ x[-1] ** powers)
    beyond = float(fit_quadratic(x, y) @ (2 * x[-1]) ** powers)
    return Prediction(float(x[-1]), predicted, float(y[-1]), beyond)


# ---- of a frame


def measured_points(points: pd.DataFrame) -> pd.DataFrame:
    """Returns the points that were measured."""
    return points[points["status"] == "done"]


def arms(points: pd.DataFrame, axes: Sequence[str], along: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yields each choice of every axis except `along`, with its points in the order of `along`."""
    others = [axis for axis in axes if axis != along]
    groups = points.groupby(others, sort=False, dropna=False) if others else [((), points)]
    for key, rows in groups:
        yield dict(zip(others, key, strict=True)), rows.sort_values(along, kind="stable")


def length_exponents(points: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Returns a row for each arm along `seq`: `time`, `time_low`, `time_high`, `time_last`, the same of `memory`, and
    `lengths`, how many there are."""
    return pd.DataFrame([_exponents(key, rows, "seq") for key, rows in arms(measured_points(points), axes, "seq")])


def _exponents(key: dict[str, Any], rows: pd.DataFrame, along: str) -> dict[str, Any]:
    out: dict[str, Any] = dict(key)
    for name, column in (("time", "step_ms"), ("memory", "memory")):
        found = fit_power(rows[along], rows[column])
        out |= {name: found.exponent, f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_last": found.last}
        out["lengths" if along == "seq" else "values"] = found.n
    return out


def size_exponents(points: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Returns a row for each other axis of numbers (`axis`: depth, heads, ...) and each choice of the rest, at the
    longest length at which all of its values were measured: the exponents as in `length_exponents`, with `values`. The
    column of the axis lists its values."""
    done, out = measured_points(points), []
    for axis in axes:
        if axis == "seq" or not pd.api.types.is_numeric_dtype(points[axis]) or points[axis].dtype == bool:
            continue
        asked = points[axis].nunique()
        for key, rows in arms(done, [a for a in axes if a != "seq"], axis):
            whole = rows.groupby("seq")[axis].nunique()
            whole = whole[whole == asked]
            if len(whole):
                rows = rows[rows["seq"] == whole.index.max()]
                swept = ", ".join(f"{value:g}" for value in rows[axis])
                out.append({"axis": axis, "seq": int(whole.index.max()), axis: swept, **_exponents(key, rows, axis)})
    return pd.DataFrame(out)


def crossovers(points: pd.DataFrame, axes: Sequence[str], base: str = "full") -> pd.DataFrame:
    """Returns a row for each arm of another kind of attention than `base`: `where` (as of Crossover) and `at`, from
    which length its step is faster than that of `base` with the same other settings, and `longest`, the longest length
    at which both were measured. Empty where `base` was not measured."""
    if "attention" not in axes:
        return pd.DataFrame()
    found = [(key, rows.set_index("seq")["step_ms"]) for key, rows in arms(measured_points(points), axes, "seq")]
    known = {_rest(key): times for key, times in found if key["attention"] == base}
    out = []
    for key, times in found:
        other = known.get(_rest(key))
        shared = [] if other is None or key["attention"] == base else [n for n in times.index if n in other.index]
        if other is not None and shared:
            where = find_crossover(shared, times[shared], other[shared])
            out.append({**key, "where": where.kind, "at": where.at, "shortest": shared[0], "longest": shared[-1]})
    return pd.DataFrame(out)


def _rest(key: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in key.items() if name != "attention")


def predictions(points: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Returns a row for each arm with enough lengths: `length`, the longest; `predicted_ms` of a step there, from the
    shorter lengths; `measured_ms`; `error`, relative; `beyond_ms` at twice that length, which was not measured."""
    out = []
    for key, rows in arms(measured_points(points), axes, "seq"):
        found = predict_longest(rows["seq"], rows["step_ms"])
        if found is not None:
            numbers = {"predicted_ms": found.predicted, "measured_ms": found.measured}
            out.append({**key, "length": int(found.length), **numbers, "error": found.error, "beyond_ms": found.beyond})
    return pd.DataFrame(out)
