"""Integrated gradients, Sundararajan et al. 2017, eq. 1, arXiv:1703.01365, from a baseline that says nothing.

Completeness (their proposition 1): the numbers sum to the logit less that of the baseline.
"""

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from stackcli.explain.base import Attribution, Baseline, Explained, Method, gradient_at


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
        steps, grad, exact = self.steps, torch.zeros_like(whole), torch.zeros_like(target, dtype=torch.bool)
        while True:
            mean = torch.zeros_like(whole)
            for place, share in zip(*quadrature(steps), strict=True):
                mean += share * gradient_at(explained, start + place * whole)
            grad = torch.where(exact[:, None, None], grad, mean)  # a text's points do not depend on its batch
            by_word, by_position = ((grad * d).sum(-1) for d in difference)
            found = Attribution(by_word, by_position, target, steps)
            assert found.error is not None
            exact = found.error <= self.tolerance
            if steps >= self.most or bool(exact.all()):
                return found
            steps = min(2 * steps, self.most)


def quadrature(steps: int) -> tuple[list[float], list[float]]:
    """Returns the points of a Gauss-Legendre quadrature between 0 and 1, and their weights, which sum to 1."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    return ((points + 1) / 2).tolist(), (weights / 2).tolist()
