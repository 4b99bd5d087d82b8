"""What the heads look at: distance, entropy, the first token, padding and offsets, from attention weights.

Shapes: B texts, T tokens, H heads.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

OFFSETS = 8  # to each side of the query, counted one by one


class HeadLook(NamedTuple):
    """What a head looks at, averaged over the real queries of all texts.

    distance: mean number of tokens between query and key, weighted by attention. entropy: nats. first, padding: shares
    of the weights on the first real token and on padding. offsets: shares on keys OFFSETS before the query to OFFSETS
    after it; what is farther away is in none.
    """

    layer: int
    head: int
    distance: float
    entropy: float
    first: float
    padding: float
    offsets: tuple[float, ...]


def describe_heads(attention: Sequence[Tensor], mask: Tensor) -> Iterator[HeadLook]:
    """Yields a row for each head of each layer: weights (B, H, T, T) of the layers, mask (B, T)."""
    T = mask.shape[1]
    at = torch.arange(T)
    offset = at[None, :] - at[:, None]  # (T, T)
    first = torch.nn.functional.one_hot(mask.int().argmax(1), T).bool() & mask  # (B, T)
    queries = mask[:, None, :, None]

    def mean(values: Tensor) -> list[float]:
        """Sums (B, H, T, T) over the keys and averages over real queries, for each head."""
        found: list[float] = ((values * queries).sum((0, 2, 3)) / queries.sum()).tolist()
        return found

    for layer, weights in enumerate(attention, start=1):
        distance, entropy = mean(weights * offset.abs()), mean(torch.special.entr(weights))
        firsts, padding = mean(weights * first[:, None, None]), mean(weights * ~mask[:, None, None])
        near = [mean(weights * (offset == d)) for d in range(-OFFSETS, OFFSETS + 1)]
        for head in range(weights.shape[1]):
            offsets = tuple(row[head] for row in near)
            yield HeadLook(layer, head + 1, distance[head], entropy[head], firsts[head], padding[head], offsets)
