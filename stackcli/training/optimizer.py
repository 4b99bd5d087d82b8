"""AdamW and the schedule of its learning rate."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from stackcli.config.settings import Config
from stackcli.model import stack as core
from stackcli.training.processes import Processes


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


def parameter_groups(
    model: nn.Module, config: Config, more: Sequence[nn.Parameter] = ()
) -> list[tuple[list[nn.Parameter], float]]:
    """Returns (parameters, weight decay) of what is trained: matrices (see `model.stack.matrices`), and all else."""
    trained = [p for p in (*model.parameters(), *more) if p.requires_grad]
    decayed = {id(p) for p in core.matrices(model)} | {id(p) for p in more if p.dim() >= 2}
    matrices = [p for p in trained if id(p) in decayed]
    vectors = [p for p in trained if id(p) not in decayed]
    return [g for g in ((matrices, config.weight_decay), (vectors, 0.0)) if g[0]]


def optimizer(model: nn.Module, config: Config, more: Sequence[nn.Parameter] = ()) -> FlatAdamW:
    """Returns AdamW, Loshchilov and Hutter 2019, eq. 12, arXiv:1711.05101, with weight decay on matrices alone.
    `more`: further parameters to train."""
    return FlatAdamW(parameter_groups(model, config, more), lr=config.lr, fused=config.device != "mps")


class PartAdamW(torch.optim.AdamW):
    """AdamW on what one process holds of each tensor, with the arithmetic of `FlatAdamW`.

    groups: (parameters, weight decay) each. A parameter is a DTensor, of which a process has a part or the whole, or a
    tensor that every process has.
    """

    def __init__(self, groups: Sequence[tuple[list[nn.Parameter], float]], *, lr: float, processes: Processes) -> None:
        own = [
            {"params": members, "weight_decay": decay}
            for parameters, decay in groups
            for members in ([p for p in parameters if is_divided(p) is kind] for kind in (True, False))
            if members
        ]
        super().__init__(own, lr=lr, fused=True)
        self.processes = processes

    def clip_gradients(self, limit: float) -> None:
        """Scales all gradients to a joint norm of `limit` over the processes if it is above."""
        self._fill_gradients()
        held = [p for group in self.param_groups for p in group["params"]]
        parts = [p.grad.to_local() if is_divided(p) else p.grad for p in held]
        squares = [[float(g.square().sum()) for p, g in zip(held, parts, strict=True) if is_split(p) is kind]
                   for kind in (True, False)]  # fmt: skip
        norm = math.sqrt(self.processes.add([sum(squares[0])])[0] + sum(squares[1]))
        if not norm + 1e-6 <= limit:  # also where it is not a number
            for grad in parts:
                grad.mul_(limit / (norm + 1e-6))

    def _fill_gradients(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad

    def step(self, closure: Any = None) -> Any:
        self._fill_gradients()
        return super().step(closure)


def is_divided(tensor: torch.Tensor) -> bool:
    """Returns whether a tensor is a DTensor."""
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def is_split(tensor: torch.Tensor) -> bool:
    """Returns whether each process has a part of a tensor only."""
    return is_divided(tensor) and any(placement.is_shard() for placement in tensor.placements)  # type: ignore[attr-defined]


def part_optimizer(model: nn.Module, config: Config, processes: Processes) -> PartAdamW:
    """Returns AdamW for what this process holds of a stack."""
    return PartAdamW(parameter_groups(model, config), lr=config.lr, processes=processes)
