"""AdamW and the schedule of its learning rate."""

import math
from collections.abc import Sequence

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


def optimizer(model: nn.Module, config: Config, more: Sequence[nn.Parameter] = ()) -> torch.optim.AdamW:
    """Returns AdamW, Loshchilov and Hutter 2019, eq. 12, arXiv:1711.05101, with weight decay on matrices alone (see
    `model.stack.matrices`). `more`: further parameters to train."""
    trained = [p for p in (*model.parameters(), *more) if p.requires_grad]
    decayed = {id(p) for p in core.matrices(model)} | {id(p) for p in more if p.dim() >= 2}
    matrices = [p for p in trained if id(p) in decayed]
    vectors = [p for p in trained if id(p) not in decayed]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.lr, fused=config.device != "mps")
