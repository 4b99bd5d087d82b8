"""Compares runs with one fixed answer to each test item: seeds are crossed with items, both drawn at random.

The S runs and the baseline answer the same I items. The difference of a run and the baseline on an item is 1, 0 or
-1; its mean over runs and items is the difference of the accuracies. A verdict that also holds for other seeds and
other items needs the variance of both: Clark 1973, "The language-as-fixed-effect fallacy", J. Verbal Learning and
Verbal Behavior 12, 335-359.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stackcli.analysis.sign_flip import ALPHA, POWER

LEAST = 3  # seeds
MOST = 1000  # seeds; larger numbers are not reported

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Crossed:
    """The `mean` of the differences, its 95 % interval and two-sided p; NaN with too few seeds or items, or where all
    differences are equal. `items` is 0 where the answers to the items are not known.

    The variance has three parts: of runs (`between_seeds`), of items (`between_items`) and the rest (`residual`).
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    items: int = 0
    between_seeds: float = math.nan
    between_items: float = math.nan
    residual: float = math.nan

    def seeds_needed(self, comparisons: int = 1) -> int | None:
        """Returns the least number of seeds with which the test finds this mean with probability .8 at Holm's first
        step; None where the items are too few for any number of seeds."""
        n = np.arange(LEAST, MOST + 1)
        by_seed = (self.between_seeds + self.residual / self.items) / n
        by_item = (self.between_items + self.residual / n) / self.items
        df, shift = _satterthwaite(by_seed, by_item, n, self.items), abs(self.mean) / np.sqrt(by_seed + by_item)
        edge = special.stdtrit(df, 1 - ALPHA / max(1, comparisons) / 2)
        enough = np.flatnonzero(1 - special.nctdtr(df, shift, edge) >= POWER)
        return int(n[enough[0]]) if enough.size else None


def min_f(differences: ArrayLike) -> Crossed:
    """Returns Clark's min F' of differences (S, I): t^2 = mean^2 / (variance of the mean by seeds + by items).

    Each variance is that of the row means, or of the column means, divided by their number. Both contain the residual,
    so the test is conservative. Degrees of freedom follow Satterthwaite 1946. p is NaN with fewer than three seeds or
    two items, and where all differences are equal.
    """
    d = np.asarray(differences, dtype=float)
    if d.ndim != 2 or d.shape[0] < LEAST or d.shape[1] < 2:
        return Crossed(float(d.mean()) if d.size else math.nan)
    seeds, items = d.shape
    mean, by_seed, by_item = float(d.mean()), _variance(d.mean(1)), _variance(d.mean(0))
    error = math.sqrt(by_seed + by_item)
    if error == 0:
        return Crossed(mean, items=items)
    df = float(_satterthwaite(by_seed, by_item, seeds, items))
    half = float(special.stdtrit(df, 1 - ALPHA / 2)) * error
    residual = float(((d - d.mean(1, keepdims=True) - d.mean(0) + mean) ** 2).sum()) / ((seeds - 1) * (items - 1))
    return Crossed(
        mean,
        mean - half,
        mean + half,
        2 * float(special.stdtr(df, -abs(mean) / error)),
        items=items,
        between_seeds=max(0.0, by_seed * seeds - residual / items),
        between_items=max(0.0, by_item * items - residual / seeds),
        residual=residual,
    )


def parse_answers(text: object) -> NDArray[np.int8]:
    """Turns "0110..." into an array (I,), 1 where an item was answered correctly; empty for anything else."""
    if not isinstance(text, str):
        return np.empty(0, dtype=np.int8)
    return np.frombuffer(text.encode("ascii"), dtype=np.int8) - ord("0")


def _variance(means: Floats) -> float:
    """Returns the variance of the mean of independent values (n,)."""
    return float(means.var(ddof=1)) / means.size


def _satterthwaite(by_seed: Any, by_item: Any, seeds: Any, items: int) -> Any:
    return (by_seed + by_item) ** 2 / (by_seed**2 / (seeds - 1) + by_item**2 / (items - 1))
