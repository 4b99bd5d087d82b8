"""Gradient-weighted rollout, Chefer et al. 2021, eq. 5 and 6, arXiv:2103.15679: attention that matters for the class.

Each block's weights are multiplied by their gradient, and the positive part is averaged over the heads.
"""

import torch
from torch import Tensor

from stackcli.explain.base import Attribution, Explained, Method, mean_over_readers


class GradientRollout(Method):
    """How much of each token reaches the answer by attention that speaks for the class, and by the skip connections."""

    signed = False

    def attribute(self, explained: Explained) -> Attribution:
        attention, gradients = explained.attention(), explained.attention_gradients()
        return Attribution(mean_over_readers(roll_out_weighted(attention, gradients), explained))


def roll_out_weighted(attention: list[Tensor], gradients: list[Tensor]) -> Tensor:
    """Adds to R, the identity at first, positive(weights x gradients) R of each block in turn: (B, T, T)."""
    found = torch.eye(attention[0].shape[-1]).to(attention[0]).expand(len(attention[0]), -1, -1)
    for weights, grad in zip(attention, gradients, strict=True):
        found = found + (weights * grad).clamp(min=0).mean(1) @ found
    return found
