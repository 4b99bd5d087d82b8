"""The gradients of one training step, with the perturbations that adversarial training asks for."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from stackcli.adversarial.base import Adversarial
from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.model.attention import PAD
from stackcli.model.batch import Batch
from stackcli.model.perturbation_ball import Ball
from stackcli.model.stack import StackedAttention


def build_adversarial(config: Config) -> Adversarial:
    """Builds the part that `adversarial` chooses."""
    part: Adversarial = registry.build_part("adversarial", config.adversarial.name, **config.adversarial.options)
    return part


def add_gradients(
    part: Adversarial,
    model: StackedAttention,
    batch: Batch,
    loss: Callable[[Batch], Tensor],
    seed: int = 0,
) -> Tensor:
    """Adds the gradients of a training step to the parameters; returns the loss that they belong to, ().

    loss: the mean training loss of a batch, (); called once for each of the part's passes. Random starts depend on the
    seed alone. Tokens of padding are not perturbed, also where the stack sees them (mask=none).
    """
    weight = model.embedding.weight
    like = weight.detach().new_empty(*batch.tokens.shape, weight.shape[1])
    ball = Ball(batch.tokens != PAD if batch.mask is None else batch.mask, part.eps, part.norm)
    draw = torch.Generator().manual_seed(seed)
    return part.backward(lambda added: loss(replace(batch, added=added)), like, ball, draw)
