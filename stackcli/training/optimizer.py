"""AdamW and the schedule of its learning rate."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from stackcli.config.settings import Config
from stackcli.model import stack as core


def planned_steps(config: Config, examples: int) -> int:
    """Returns the number of optimiser steps of a run that is not stopped early."""
    return config.steps or config.epochs * math.ceil(examples / config.batch)


def learning_rate(config: Config, step: int, steps: int) -> float:
    """Returns the learning rate of a step (0 is the first): linear warm-up, then a cosine to zero or a constant."""
    warm = round(config.warmup * steps)
    if step < warm:
        return config.lr * (step + 1) / warm
    if config.schedule == "constant":
        return config.lr
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class FlatAdamW(torch.optim.AdamW):
    """AdamW on one flat tensor for each group, of which the parameters become views: one operation on all elements is
    faster than one on each of a hundred tensors. A parameter without a gradient counts as one whose gradient is zero.

    groups: (parameters, weight decay) each.
    """

    def __init__(self, groups: Sequence[tuple[list[nn.Parameter], float]], *, lr: float, fused: bool) -> None:
        self.members = [parameters for parameters, _ in groups]
        self.flat = [flatten(parameters) for parameters in self.members]
        own = [{"params": [flat], "weight_decay": decay} for flat, (_, decay) in zip(self.flat, groups, strict=True)]
        super().__init__(own, lr=lr, fused=fused)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients."""
        for parameter in (*self.flat, *(p for members in self.members for p in members)):
            parameter.grad = None

    def collect_gradients(self) -> None:
        """Moves the gradients of the parameters into those of the flat tensors, unless this was done."""
        for flat, members in zip(self.flat, self.members, strict=True):
            if flat.grad is None:
                flat.grad = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in members])
                for parameter in members:
                    parameter.grad = None

    def clip_gradients(self, limit: float) -> None:
        """Scales all gradients to a joint norm of `limit` if it is above; Pascanu et al. 2013, arXiv:1211.5063."""
        self.collect_gradients()
        grads = [flat.grad for flat in self.flat if flat.grad is not None]
        norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads])))
        if not norm + 1e-6 <= limit:  # also where it is not a number
            for grad in grads:
                grad.mul_(limit / (norm + 1e-6))

    def step(self, closure: Any = None) -> Any:
        self.collect_gradients()
        return super().step(closure)


def flatten(parameters: list[nn.Parameter]) -> nn.Parameter:
    """Returns one tensor (N,) with the values of all parameters, which become views of it."""
    flat = torch.cat([p.detach().flatten() for p in parameters])
    for parameter, part in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.data = part.view_as(parameter)
    return nn.Parameter(flat)


def optimizer(model: nn.Module, config: Config, more: Sequence[nn.Parameter] = ()) -> FlatAdamW:
    """Returns AdamW, Loshchilov and Hutter 2019, eq. 12, arXiv:1711.05101, with weight decay on matrices alone (see
    `model.stack.matrices`). `more`: further parameters to train."""
    trained = [p for p in (*model.parameters(), *more) if p.requires_grad]
    decayed = {id(p) for p in core.matrices(model)} | {id(p) for p in more if p.dim() >= 2}
    matrices = [p for p in trained if id(p) in decayed]
    vectors = [p for p in trained if id(p) not in decayed]
    groups = [(matrices, config.weight_decay), (vectors, 0.0)]
    return FlatAdamW([g for g in groups if g[0]], lr=config.lr, fused=config.device != "mps")
