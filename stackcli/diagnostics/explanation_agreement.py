"""How far explanations agree: Spearman's rank correlation of their numbers for the tokens of a text.

Shapes: B texts, T tokens.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def rank_correlation(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Spearman's correlation over the real tokens of each text, (B, T) twice -> (B,); NaN where all numbers of a text
    are equal."""
    a, b = (centre(mean_ranks(x, mask), mask) for x in (one, other))
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()


def mean_ranks(scores: Tensor, mask: Tensor) -> Tensor:
    """Ranks from 1, lowest first; equal numbers share the mean of their ranks: (B, T) -> (B, T), 0 at padding."""
    pairs = mask[:, None] & mask[:, :, None]
    below = ((scores[:, None] < scores[:, :, None]) & pairs).sum(2)
    equal = ((scores[:, None] == scores[:, :, None]) & pairs).sum(2)
    return (below + (equal + 1) / 2).double() * mask


def centre(ranks: Tensor, mask: Tensor) -> Tensor:
    """Subtracts the mean over real tokens."""
    mean = ranks.sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
    return (ranks - mean) * mask


def method_agreement(
    scores: Mapping[str, Tensor], signed: Mapping[str, bool], mask: Tensor
) -> dict[tuple[str, str], Tensor]:
    """Rank correlation of each pair of methods, (B,). scores: (B, T) by method. Where one of the two knows no sign, the
    absolute numbers of the other are compared with it."""
    names = list(scores)
    out = {}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            a, b = scores[one], scores[other]
            if signed[one] != signed[other]:
                a, b = a.abs(), b.abs()
            out[one, other] = rank_correlation(a, b, mask)
    return out


def mean_agreement(pairs: Mapping[tuple[str, str], Tensor], name: str) -> Tensor | None:
    """Mean correlation of a method with the others, (B,), over those that rank the tokens of a text at all; None
    without others."""
    found = [value for pair, value in pairs.items() if name in pair]
    return torch.stack(found).nanmean(0) if found else None
