"""How faithful an explanation is to the stack: what happens to the logit where its tokens are left out or kept.

The tokens that remain keep their order and their positions. Everything is measured on logits.

Shapes: B texts, T tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stackcli.common.seeding import generator
from stackcli.explain.base import Explained

RANDOM = 8  # random orders that an order is compared with


@dataclass(frozen=True)
class Curve:
    """The explained logit after k tokens were left out (or put in), k = 0 .. T, (B, T + 1); after the last token of a
    text it stays the same. lengths: real tokens of each text, (B,)."""

    logits: Tensor
    lengths: Tensor

    @property
    def area(self) -> Tensor:
        """Area under the curve over the share of tokens, by the trapezoidal rule, logits: (B,)."""
        at = torch.arange(self.logits.shape[1])
        inner = (at > 0) & (at < self.lengths[:, None])
        ends = (at == 0) | (at == self.lengths[:, None])
        total = (self.logits * (inner + ends / 2)).sum(1)
        found: Tensor = total / self.lengths.clamp(min=1)
        return found


def rank_tokens(scores: Tensor, mask: Tensor) -> Tensor:
    """Ranks tokens from the highest score to the lowest, the earlier one first where two are equal, padding last:
    (B, T) -> rank of each token, (B, T)."""
    order = scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return order.argsort(dim=1)


@torch.no_grad()
def delete_tokens(explained: Explained, rank: Tensor) -> Curve:
    """Leaves out the tokens one after another, from rank 0 on: Petsiuk et al. 2018, sec. 3.2, arXiv:1806.07421."""
    mask = explained.mask
    steps = [explained.logit_of(mask & (rank >= k)) for k in range(mask.shape[1] + 1)]
    return Curve(torch.stack(steps, dim=1), mask.sum(1))


@torch.no_grad()
def insert_tokens(explained: Explained, rank: Tensor) -> Curve:
    """Begins with no token and puts them in one after another, from rank 0 on."""
    mask = explained.mask
    steps = [explained.logit_of(mask & (rank < k)) for k in range(mask.shape[1] + 1)]
    return Curve(torch.stack(steps, dim=1), mask.sum(1))


def comprehensiveness(deleted: Curve, count: int) -> Tensor:
    """How much lower the logit is without the first `count` tokens, (B,): DeYoung et al. 2020, eq. 1, arXiv:1911.03429,
    on logits."""
    return deleted.logits[:, 0] - deleted.logits[:, min(count, deleted.logits.shape[1] - 1)]


def sufficiency(inserted: Curve, count: int) -> Tensor:
    """How much lower the logit is with nothing but the first `count` tokens, (B,): their eq. 2, on logits."""
    return inserted.logits[:, -1] - inserted.logits[:, min(count, inserted.logits.shape[1] - 1)]


def draw_ranks(mask: Tensor, *, draw: int) -> Tensor:
    """Draws a random order of the real tokens of each text, the same in every run and in every batch: (B, T)."""
    scores = torch.zeros(mask.shape, dtype=torch.float64)
    for row, real in zip(scores, mask, strict=True):
        row[real] = torch.from_numpy(generator("evaluation", "random order", draw).random(int(real.sum())))
    return rank_tokens(scores, mask)


def random_area(explained: Explained) -> Tensor:
    """Returns the mean area of deletion over random orders, (B,). That of insertion is the same: both go through random
    sets of every size."""
    ranks = [draw_ranks(explained.mask, draw=i) for i in range(RANDOM)]
    return torch.stack([delete_tokens(explained, rank).area for rank in ranks]).mean(0)
