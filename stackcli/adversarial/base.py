"""The interface of adversarial training: at which perturbations of the token vectors a training step is made.

Shapes: B texts, T tokens, D width. A perturbation (B, T, D) is added to the token vectors before the position encoding.
"""

from collections.abc import Callable
from typing import Annotated, Literal, Protocol

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

Loss = Callable[[Tensor | None], Tensor]
Eps = Annotated[float, Gt(0), Le(1e6)]
Norm = Literal["l2", "linf"]
Steps = Annotated[int, Ge(1), Le(1000)]
StepSize = Annotated[float, Gt(0), Le(1e6)]


class Ball(Protocol):
    """The allowed perturbations of a batch; `model.perturbation_ball` has it."""

    def steepest(self, gradient: Tensor) -> Tensor:
        """Returns the perturbation of norm eps that raises a linear function with this gradient the most."""

    def project(self, added: Tensor) -> Tensor:
        """Returns the nearest perturbation that is allowed."""

    def draw(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Returns a random perturbation of norm eps."""


class Adversarial:
    """Base class: plain training, without a perturbation.

    eps, norm: size of the perturbation of a text, over its real tokens. passes: forward passes of a step, each of which
    has a backward pass.
    """

    eps: float = 0.0
    norm: Norm = "l2"

    @property
    def passes(self) -> int:
        return 1

    def backward(self, loss: Loss, like: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
        """Adds the gradients of a step to the parameters and returns the loss that they belong to, ().

        loss: the mean training loss with a perturbation, (); None is none. like: a tensor (B, T, D) of the type of the
        token vectors. The weights of the losses whose gradients reach the parameters must sum to one, so that what is
        part of every loss counts once.
        """
        value = loss(None)
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()


def random_start(like: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
    """Returns a random perturbation inside the ball, (B, T, D): for "linf" uniform in the cube; for "l2" of a norm of
    about eps / sqrt(3), as in FreeLB."""
    shares = torch.rand(like.shape, generator=generator, dtype=like.dtype)
    return ball.draw(like, generator) * shares.to(like.device)
