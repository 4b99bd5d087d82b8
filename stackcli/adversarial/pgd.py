"""Projected gradient descent, Madry et al. 2018, sec. 2.1, arXiv:1706.06083: the loss at the worst perturbation found.

The perturbation starts at a random point inside the ball, climbs for some steps, and is projected onto the ball around
the text's own vectors after each. Only the loss at its end trains the weights. The paper does so on pixels with linf;
on the vectors of a text l2 is usual.
"""

import torch
from torch import Tensor

from stackcli.adversarial.base import Adversarial, Ball, Eps, Loss, Norm, Steps, StepSize, random_start


class ProjectedGradient(Adversarial):
    """`steps`: steps of the perturbation; `step`: size of each, as a share of eps. steps + 1 passes a step."""

    def __init__(self, *, eps: Eps = 0.1, norm: Norm = "l2", steps: Steps = 3, step: StepSize = 0.5) -> None:
        self.eps, self.norm, self.steps, self.step = eps, norm, steps, step

    @property
    def passes(self) -> int:
        return self.steps + 1

    def backward(self, loss: Loss, like: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
        added = random_start(like, ball, generator)
        for _ in range(self.steps):
            added.requires_grad_()
            (gradient,) = torch.autograd.grad(loss(added), added)
            added = ball.project(added.detach() + self.step * ball.steepest(gradient))
        worst = loss(added)
        worst.backward()  # type: ignore[no-untyped-call]
        return worst.detach()
