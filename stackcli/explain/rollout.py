"""Attention rollout, Abnar and Zuidema 2020, sec. 3, arXiv:2005.00928: attention followed through all blocks.

Each block's weights, averaged over heads, are mixed half and half with the skip connection; later blocks multiply from
the left. Every row of the product sums to 1.
"""

import torch
from torch import Tensor

from stackcli.explain.base import Attribution, Explained, Method, mean_over_readers


class Rollout(Method):
    """Shares of the tokens in what the classifier reads, which sum to 1."""

    signed = False

    @torch.no_grad()
    def attribute(self, explained: Explained) -> Attribution:
        return Attribution(mean_over_readers(roll_out(explained.attention()), explained))


def roll_out(attention: list[Tensor]) -> Tensor:
    """Multiplies the weights of the blocks, (B, H, T, T) each, from the first to the last: (B, T, T)."""
    own = torch.eye(attention[0].shape[-1]).to(attention[0])
    found = own.expand(len(attention[0]), -1, -1)
    for weights in attention:
        mixed = (
            weights.mean(1) + own
        )  # of a sink or a softmax with one more in its denominator, rows sum to less than 2
        found = mixed / mixed.sum(-1, keepdim=True) @ found
    return found
