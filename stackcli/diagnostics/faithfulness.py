"""How faithful an explanation is to the stack: what happens to the logit where its tokens are left out or kept.

The tokens that remain keep their order and their positions. Everything is measured on logits.

Shapes: B texts, T tokens, P points of a curve.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stackcli.common.seeding import generator
from stackcli.explain.base import AT_ONCE, KeptTokens

RANDOM = 8  # random orders that an order is compared with
POINTS = 16  # steps of a curve: a token each in texts up to this length, equal shares of the tokens in longer ones


@dataclass(frozen=True)
class Curve:
    """The explained logit after `counts` tokens were left out (or put in), from none to all; both (B, P + 1). In a text
    of fewer than P tokens the last points are alike. lengths: real tokens of each text, (B,)."""

    logits: Tensor
    counts: Tensor
    lengths: Tensor

    @property
    def area(self) -> Tensor:
        """Area under the curve over the share of tokens, by the trapezoidal rule, logits: (B,)."""
        widths, middles = self.counts.diff(dim=1), (self.logits[:, 1:] + self.logits[:, :-1]) / 2
        found: Tensor = (widths * middles).sum(1) / self.lengths.clamp(min=1)
        return found


def rank_tokens(scores: Tensor, mask: Tensor) -> Tensor:
    """Ranks tokens from the highest score to the lowest, the earlier one first where two are equal, padding last:
    (B, T) -> rank of each token, (B, T)."""
    order = scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return order.argsort(dim=1)


def choose_counts(lengths: Tensor) -> Tensor:
    """Numbers of tokens at the points of a curve, from 0 to the length of each text: (B,) -> (B, P + 1)."""
    most = int(lengths.max().clamp(max=POINTS))
    own = lengths.clamp(max=POINTS)[:, None]  # points of each text
    point = torch.minimum(torch.arange(most + 1), own)
    return (point * lengths[:, None] / own.clamp(min=1)).round().long()


def delete_tokens(texts: KeptTokens, rank: Tensor) -> Curve:
    """Leaves out the tokens one after another, from rank 0 on: Petsiuk et al. 2018, sec. 3.2, arXiv:1806.07421."""
    return _curve(texts, rank, torch.ge)


def insert_tokens(texts: KeptTokens, rank: Tensor) -> Curve:
    """Begins with no token and puts them in one after another, from rank 0 on."""
    return _curve(texts, rank, torch.lt)


@torch.no_grad()
def _curve(texts: KeptTokens, rank: Tensor, keeps: Callable[[Tensor, Tensor], Tensor]) -> Curve:
    lengths = texts.mask.sum(1)
    counts = choose_counts(lengths)
    keep = keeps(rank[:, None], counts[..., None])  # (B, P + 1, T)
    rows = torch.arange(len(rank)).repeat_interleave(counts.shape[1])
    size = max(1, AT_ONCE // rank.shape[1])
    parts = zip(torch.split(rows, size), torch.split(keep.flatten(0, 1), size), strict=True)
    logits = torch.cat([texts.choose_texts(some).logit_of(kept) for some, kept in parts])
    return Curve(logits.view(counts.shape), counts, lengths)


@torch.no_grad()
def comprehensiveness(texts: KeptTokens, rank: Tensor, count: Tensor) -> Tensor:
    """How much lower the logit is without the first `count` tokens, (B,): DeYoung et al. 2020, eq. 1, arXiv:1911.03429,
    on logits."""
    return texts.logit_of(texts.mask) - texts.logit_of(rank >= count[:, None])


@torch.no_grad()
def sufficiency(texts: KeptTokens, rank: Tensor, count: Tensor) -> Tensor:
    """How much lower the logit is with nothing but the first `count` tokens, (B,): their eq. 2, on logits."""
    return texts.logit_of(texts.mask) - texts.logit_of(rank < count[:, None])


def draw_ranks(mask: Tensor, *, draw: int) -> Tensor:
    """Draws a random order of the real tokens of each text, the same in every run and in every batch: (B, T)."""
    scores = torch.zeros(mask.shape, dtype=torch.float64)
    for row, real in zip(scores, mask, strict=True):
        row[real] = torch.from_numpy(generator("evaluation", "random order", draw).random(int(real.sum())))
    return rank_tokens(scores, mask)


@dataclass(frozen=True)
class RandomOrders:
    """Deletion in random orders. area: the mean area, (B,); that of insertion is the same, because both go through
    random sets of every size. spread: by how much logits differ between random sets of equal size, their standard
    deviation, root mean square over the points of the curve, (B,)."""

    area: Tensor
    spread: Tensor


def delete_at_random(texts: KeptTokens) -> RandomOrders:
    """Leaves out the tokens of each text in RANDOM random orders."""
    curves = [delete_tokens(texts, draw_ranks(texts.mask, draw=i)) for i in range(RANDOM)]
    logits, counts, lengths = torch.stack([c.logits for c in curves]), curves[0].counts, curves[0].lengths
    inner = (counts > 0) & (counts < lengths[:, None])
    spread = (logits.var(0) * inner).sum(1) / inner.sum(1).clamp(min=1)
    return RandomOrders(torch.stack([c.area for c in curves]).mean(0), spread.sqrt())


@dataclass(frozen=True)
class Faithfulness:
    """Scores of an explanation, logits, (B,). deletion: area under the curve of deletion in its order less that of
    random orders: the lower, the more faithful. insertion: the same of insertion: the higher, the more faithful.
    comprehensiveness, sufficiency: of the first fifth of the tokens."""

    deletion: Tensor
    insertion: Tensor
    comprehensiveness: Tensor
    sufficiency: Tensor


def score_order(texts: KeptTokens, tokens: Tensor, at_random: RandomOrders) -> Faithfulness:
    """Scores the order that an explanation gives to the tokens, its numbers (B, T)."""
    rank = rank_tokens(tokens, texts.mask)
    fifth = (texts.mask.sum(1) / 5).round().long().clamp(min=1)
    return Faithfulness(
        delete_tokens(texts, rank).area - at_random.area,
        insert_tokens(texts, rank).area - at_random.area,
        comprehensiveness(texts, rank, fifth),
        sufficiency(texts, rank, fifth),
    )
