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
    for layer, weights in enumerate(attention, start=1):
        queries = mask[:, None, :, None].to(weights)
        count = queries.sum() * 1.0
        real = weights * queries

        def share(keys: Tensor, real: Tensor = real, count: Tensor = count) -> list[float]:
            """The mean share of keys that are True, broadcastable to (B, H, T, T), for each head."""
            found: list[float] = ((real * keys).sum((0, 2, 3)) / count).tolist()
            return found

        entropy = share_of(torch.special.entr(weights).sum(-1, keepdim=True) * queries, count)
        distance = share(offset.abs().to(weights))
        firsts, padding = share(first[:, None, None].to(weights)), share((~mask)[:, None, None].to(weights))
        near = [share((offset == d).to(weights)) for d in range(-OFFSETS, OFFSETS + 1)]
        for head in range(weights.shape[1]):
            offsets = tuple(row[head] for row in near)
            yield HeadLook(layer, head + 1, distance[head], entropy[head], firsts[head], padding[head], offsets)


def share_of(values: Tensor, count: Tensor) -> list[float]:
    """Sums over texts and queries and divides by their number: (B, H, T, 1) -> a number for each head."""
    found: list[float] = (values.sum((0, 2, 3)) / count).tolist()
    return found
