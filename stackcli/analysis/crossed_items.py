"""Runs against one fixed answer to each test item: seeds crossed with items, both drawn at random.

Each of S runs and the baseline answers the same I items. The difference of a run and an item is 1, 0 or -1, and its
mean over both is that of the accuracies. A verdict that is to hold for other seeds and other items needs both
variances: Clark 1973, "The language-as-fixed-effect fallacy", J. Verbal Learning and Verbal Behavior 12, 335-359.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stackcli.analysis.sign_flip import ALPHA, POWER

LEAST = 3  # seeds
MOST = 1000  # beyond it, the seeds that would tell are not worth naming

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Crossed:
    """`mean` of the differences, its 95 % interval and two-sided p; NaN where there are too few seeds or items, or all
    differences are equal. `items` is 0 where the answers to the items are not known.

    The variances are those of one run (`between_seeds`), of one item (`between_items`) and of the rest (`residual`).
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
        """The least number of seeds with which the test would find this mean with probability .8 at Holm's first step;
        None where no number would, as the items are too few."""
        n = np.arange(LEAST, MOST + 1)
        by_seed = (self.between_seeds + self.residual / self.items) / n
        by_item = (self.between_items + self.residual / n) / self.items
        df, shift = _satterthwaite(by_seed, by_item, n, self.items), abs(self.mean) / np.sqrt(by_seed + by_item)
        edge = special.stdtrit(df, 1 - ALPHA / max(1, comparisons) / 2)
        enough = np.flatnonzero(1 - special.nctdtr(df, shift, edge) >= POWER)
        return int(n[enough[0]]) if enough.size else None


def min_f(differences: ArrayLike) -> Crossed:
    """Clark's min F' of differences (S, I): t^2 = mean^2 / (variance of the mean by seeds + by items).

    Each variance is that of the means of the rows, or of the columns, over their number; both hold the residual, so
    that the test errs on the safe side. Degrees of freedom by Satterthwaite 1946. p is NaN with fewer than three seeds
    or two items, and where no item and no seed differs from another.
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
    """ "0110..." -> (I,), 1 where an item was answered rightly; empty for anything else."""
    if not isinstance(text, str):
        return np.empty(0, dtype=np.int8)
    return np.frombuffer(text.encode("ascii"), dtype=np.int8) - ord("0")


def _variance(means: Floats) -> float:
    """Of the mean of independent values (n,)."""
    return float(means.var(ddof=1)) / means.size


def _satterthwaite(by_seed: Any, by_item: Any, seeds: Any, items: int) -> Any:
    return (by_seed + by_item) ** 2 / (by_seed**2 / (seeds - 1) + by_item**2 / (items - 1))
