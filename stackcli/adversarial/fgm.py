"""Fast gradient method on token vectors, Miyato et al. 2017, eq. 7-8, arXiv:1605.07725: clean and perturbed loss.

The loss is the mean of both; the paper adds them. With the mean the gradient keeps the size that it has without
adversarial training, so lr and clip mean the same. The paper normalises the token vectors over the vocabulary so that
they cannot outgrow eps; here they are as they are, and weight decay holds them.
"""

import torch
from torch import Tensor

from stackcli.adversarial.base import Adversarial, Ball, Eps, Loss, Norm


class FastGradient(Adversarial):
    """One step of norm eps along the gradient of the clean loss. Two passes a step."""

    def __init__(self, *, eps: Eps = 0.1, norm: Norm = "l2") -> None:
        self.eps, self.norm = eps, norm

    @property
    def passes(self) -> int:
        return 2

    def backward(self, loss: Loss, like: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
        added = torch.zeros_like(like).requires_grad_()
        clean = loss(added)
        (clean / 2).backward()  # type: ignore[no-untyped-call]
        assert added.grad is not None
        perturbed = loss(ball.steepest(added.grad))
        (perturbed / 2).backward()  # type: ignore[no-untyped-call]
        return (clean.detach() + perturbed.detach()) / 2
