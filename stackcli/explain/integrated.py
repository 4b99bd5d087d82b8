"""Integrated gradients, Sundararajan et al. 2017, eq. 1, arXiv:1703.01365, from a baseline that says nothing.

Completeness (their proposition 1): the numbers sum to the logit less that of the baseline.
"""

from functools import cache
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from stackcli.explain.base import AT_ONCE, Attribution, Baseline, Explained, Method, gradient_at


class Integrated(Method):
    """The gradient, averaged along the straight line from the baseline to the input, times the difference of the two.

    The average is a Gauss-Legendre quadrature; its points are doubled for a text until the sum is within
    `tolerance` of its target, or until there are `most`.
    """

    def __init__(
        self,
        *,
        baseline: Baseline = "zero",
        steps: Annotated[int, Ge(1), Le(4096)] = 16,
        most: Annotated[int, Ge(1), Le(4096)] = 512,
        tolerance: Annotated[float, Gt(0), Le(1)] = 0.01,
    ) -> None:
        self.baseline: Baseline = baseline
        self.steps, self.most, self.tolerance = steps, max(steps, most), tolerance

    def attribute(self, explained: Explained) -> Attribution:
        words, added = explained.baseline(self.baseline)
        difference = explained.words - words, explained.added - added
        start, whole = words + added, difference[0] + difference[1]
        with torch.no_grad():
            target = explained.logit(start + whole) - explained.logit(start)
        steps, rows = self.steps, torch.arange(len(target))  # texts whose sum is not exact enough yet
        grad, used = torch.zeros_like(whole), torch.zeros(len(target), dtype=torch.long)
        while True:
            grad[rows] = self.mean_gradient(explained.choose_texts(rows), start[rows], whole[rows], steps)
            used[rows] = steps
            by_word, by_position = ((grad * d).sum(-1) for d in difference)
            found = Attribution(by_word, by_position, target, used)
            assert found.error is not None
            rows = (found.error > self.tolerance).nonzero()[:, 0]
            if steps >= self.most or not len(rows):
                return found
            steps = min(2 * steps, self.most)

    def mean_gradient(self, explained: Explained, start: Tensor, whole: Tensor, steps: int) -> Tensor:
        """Averages the gradient over the points of the line from `start` to `start + whole`: (B, T, D)."""
        places, shares = quadrature(steps)
        mean, size = torch.zeros_like(whole), max(1, AT_ONCE // whole[..., 0].numel())  # points in a batch
        for some, weights in zip(torch.split(places, size), torch.split(shares, size), strict=True):
            rows = torch.arange(len(whole)).repeat(len(some))
            x = start + some[:, None, None, None] * whole
            grad = gradient_at(explained.choose_texts(rows), x.flatten(0, 1)).view(x.shape)
            mean += (weights[:, None, None, None] * grad).sum(0)
        return mean


@cache
def quadrature(steps: int) -> tuple[Tensor, Tensor]:
    """Returns the points of a Gauss-Legendre quadrature between 0 and 1, and their weights, which sum to 1."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((points + 1) / 2), torch.from_numpy(weights / 2)
