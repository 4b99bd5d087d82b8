"""Projected gradient descent on token vectors, Madry et al. 2018, arXiv:1706.06083."""

from typing import Annotated

from annotated_types import Ge, Gt, Le
from torch import Tensor

from stackcli.attack._vectors import VectorAttack
from stackcli.attack.base import Norm, Objective, Texts


class Pgd(VectorAttack):
    """Steps along the gradient, each followed by a projection onto the ball around the original vectors. steps: their
    number; step: the size of each as a share of eps; norm and of: as in fgm. It starts at the original, so that it is
    deterministic."""

    def __init__(
        self,
        *,
        steps: Annotated[int, Ge(1), Le(10_000)] = 10,
        step: Annotated[float, Gt(0), Le(10)] = 0.25,
        norm: Norm = "l2",
        of: Objective = "loss",
    ) -> None:
        self.steps, self.step, self.norm, self.of = steps, step, norm, of

    def perturb(self, texts: Texts, eps: float) -> tuple[Tensor, int]:
        ball, added = texts.ball(eps, self.norm), texts.nothing
        for _ in range(self.steps):
            added = ball.project(added + self.step * ball.steepest(texts.gradient(added, self.of)))
        return added, self.steps
