"""A linear loss and a small stack, on which parts of the group are tried."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.adversarial.base import Adversarial, Norm
from stackcli.model.perturbation_ball import Ball
from stackcli.model.stack import StackedAttention
from tests.factory import padding, stack, tokens

MASK = padding([9, 4, 1], 9)
LABELS = torch.tensor([0, 1, 2])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear:
    """The loss sum(slope * perturbation) of three texts, whose slope is trained; remembers every perturbation."""

    def __init__(self) -> None:
        self.slope = torch.randn(3, 9, 4, generator=generator(7), dtype=torch.float64, requires_grad=True)
        self.given: list[Tensor] = []

    def loss(self, added: Tensor | None) -> Tensor:
        assert added is not None
        self.given.append(added.detach().clone())
        return (self.slope * added).sum()

    def run(self, part: Adversarial, seed: int = 0) -> Tensor:
        """Makes one step of a part; returns the gradient of the slope."""
        ball = Ball(MASK, part.eps, part.norm)
        part.backward(self.loss, self.slope.detach(), ball, generator(seed))
        assert self.slope.grad is not None
        return self.slope.grad


class Small:
    """The cross-entropy of a stack on three texts of 9, 4 and 1 tokens."""

    def __init__(self) -> None:
        self.model: StackedAttention = stack(depth=2)
        self.tokens = tokens(3, 9)

    def loss(self, added: Tensor | None) -> Tensor:
        return F.cross_entropy(self.model(self.tokens, MASK, added=added), LABELS)

    def gradients(self, part: Adversarial) -> dict[str, Tensor]:
        """Makes one step of a part; returns the gradient of each parameter."""
        self.model.zero_grad()
        like = torch.empty(3, 9, 16, dtype=torch.float64)
        part.backward(self.loss, like, Ball(MASK, part.eps, part.norm), generator())
        return {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}

    def hooked_loss(self, added: Tensor) -> Tensor:
        """The loss with a perturbation that a hook adds, not the stack itself."""
        hook: Callable[..., Tensor] = lambda _, __, x: x + added
        handle = self.model.embedding.register_forward_hook(hook)
        try:
            return F.cross_entropy(self.model(self.tokens, MASK), LABELS)
        finally:
            handle.remove()


def text_norms(added: Tensor, norm: Norm) -> list[float]:
    """The norm of each text's perturbation, number by number."""
    rows = [[abs(float(x)) for x in text.flatten()] for text in added]
    return [max(row) if norm == "linf" else sum(x * x for x in row) ** 0.5 for row in rows]
