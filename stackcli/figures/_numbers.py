"""Computes numbers for axes: means, intervals, ticks."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from stackcli.analysis import statistics


def interval(values: Any) -> tuple[float, float, float]:
    """Returns mean and 95 % t interval of the finite values; the bounds of fewer than three are NaN."""
    return statistics.interval(finite(values))[:3]


def finite(values: Any) -> Any:
    """Returns the finite values as an array of floats."""
    kept = pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return kept[np.isfinite(kept)]


def mean_by(rows: pd.DataFrame, column: str, keys: list[str], *, geometric: bool = False) -> pd.Series:
    """Returns the mean of the finite values (geometric: of the positive ones) by the keys, without empty groups."""
    values = pd.to_numeric(rows[column], errors="coerce").astype(float)
    values = values.where(np.isfinite(values) & ((values > 0) | (not geometric)))
    means = (np.log(values) if geometric else values).groupby([rows[key] for key in keys]).mean().dropna()
    return np.exp(means) if geometric else means


def number(value: float) -> str:
    """Formats the number of a tick: 0.25, 300, 10⁻⁵, 2×10⁶."""
    if value == 0 or 1e-3 <= abs(value) < 1e5 or not math.isfinite(value):
        return f"{value:.5g}".replace("-", "\N{MINUS SIGN}")
    mantissa, power = f"{value:.3e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".").replace("-", "\N{MINUS SIGN}")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if mantissa == "1" else f"{mantissa}×10{raised}"


def log_ticks(low: float, high: float) -> list[float]:
    """Returns two to six ticks of a logarithmic axis: powers of ten, or 1, 2, 5 over a short range, or even steps."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(powers) > 2:
        return [10.0**power for power in powers[:: math.ceil(len(powers) / 6)]]
    around = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [digit * 10.0**power for power in around for digit in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    even = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    return inside if len(inside) > 1 else [float(step) for step in even if low <= step <= high]
