"""FreeLB, Zhu et al. 2020, algorithm 1, arXiv:1909.11764: the mean gradient over all steps of a perturbation.

Every pass gives both the gradient that trains the weights and the one that moves the perturbation, so no pass is spent
on the perturbation alone. All passes have the same dropout masks, as in the paper.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.adversarial.base import Adversarial, Ball, Eps, Loss, Norm, Steps, StepSize, random_start


class FreeLB(Adversarial):
    """`steps`: passes; `step`: size of a step of the perturbation, as a share of eps; `start`: size of the random
    start, 1: up to eps, 0: no perturbation in the first pass. `steps` passes a step."""

    def __init__(
        self,
        *,
        eps: Eps = 0.1,
        norm: Norm = "l2",
        steps: Steps = 3,
        step: StepSize = 0.5,
        start: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.eps, self.norm, self.steps, self.step, self.start = eps, norm, steps, step, start

    @property
    def passes(self) -> int:
        return self.steps

    def backward(self, loss: Loss, like: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
        added, values = self.start * random_start(like, ball, generator), list[Tensor]()
        for _ in range(self.steps):
            added.requires_grad_()
            value = loss(added)
            (value / self.steps).backward()  # type: ignore[no-untyped-call]
            values.append(value.detach())
            assert added.grad is not None
            added = ball.project(added.detach() + self.step * ball.steepest(added.grad))
        return torch.stack(values).mean()
