"""Two-level hierarchical attention, cf. Zhu and Soricut 2021, arXiv:2107.11906: near tokens, and means of far ones.

Work and memory grow with T x (3 chunk + T / chunk), which is least where `chunk` is near the root of T / 3.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Extended, Pattern, Piece, Pieces, Rotate


class Hierarchical(Pattern):
    """The sequence is cut into chunks of `chunk` tokens. A token sees the tokens of its own chunk and of the chunks
    beside it, and one summary of each other chunk; if causal, only tokens up to itself, its own chunk and the one
    before, and summaries of earlier chunks.

    A summary is the mean of the keys and the mean of the values of the n real tokens of its chunk, and log n is added
    to its score. So a token counts once for every query, as in full attention, and all tokens of a far chunk have the
    score of their mean key. The encoding is given the position of the middle one of these tokens (of an even number the
    earlier one). A chunk of padding only has no summary.

    The paper doubles the size of the chunks with the distance, in log T levels, and sums queries too; here there are
    two levels, and every query is its own. Sequences of up to two chunks are full attention.
    """

    extends = True

    def __init__(self, *, chunk: Annotated[int, Ge(1), Le(100_000)] = 8) -> None:
        super().__init__()
        self.chunk = chunk

    def extend(self, q: Tensor, k: Tensor, v: Tensor, pos: Tensor, mask: Tensor | None, rotate: Rotate) -> Extended:
        T = q.shape[-2]
        real = q.new_ones(1, T, dtype=torch.bool) if mask is None else mask
        counted = F.pad(real, (0, -T % self.chunk)).view(len(real), -1, self.chunk)  # (B or 1, N, chunk)
        count = counted.sum(-1)  # (B or 1, N)
        k, v = (torch.cat((x, self.means(x, None if mask is None else counted, count)), dim=-2) for x in (k, v))
        middle = (counted.cumsum(-1) < (count[..., None] + 1) // 2).sum(-1)  # place in its chunk
        at = torch.arange(0, T, self.chunk, device=q.device) + middle  # (B or 1, N)
        at = at[0] if mask is None else at
        more = pos[..., at] if pos.dim() == 1 or mask is None else pos.gather(1, at)
        pos = torch.cat((pos.expand(*more.shape[:-1], T), more), dim=-1)  # (K',) or (B, K')
        mask = None if mask is None else torch.cat((mask, count > 0), dim=1)
        added = F.pad(count.clamp(min=1).to(q).log(), (T, 0))[:, None]  # (B or 1, 1, K')
        q, k = rotate(F.pad(q, (0, 0, 0, count.shape[1])), k, pos, mask)
        return Extended(q[..., :T, :], k, v, pos, mask, added)

    def means(self, x: Tensor, counted: Tensor | None, count: Tensor) -> Tensor:
        """Returns the means over the real tokens of the chunks: (B, H, T, E) -> (B, H, N, E)."""
        B, H, T, E = x.shape
        chunks = F.pad(x, (0, 0, 0, -T % self.chunk)).view(B, H, -1, self.chunk, E)
        if counted is not None:
            chunks = chunks * counted[:, None, :, :, None].to(x)
        means: Tensor = chunks.sum(-2) / count.clamp(min=1).to(x)[:, None, :, None]
        return means

    def fold(self, weights: Tensor, mask: Tensor | None) -> Tensor:
        T = weights.shape[-2]
        own, far = weights[..., :T], weights[..., T:]
        real = weights.new_ones(1, T) if mask is None else mask.to(weights)
        count = F.pad(real, (0, -T % self.chunk)).view(len(real), -1, self.chunk).sum(-1).clamp(min=1)  # (B or 1, N)
        spread: Tensor = (far / count[:, None, None]).repeat_interleave(self.chunk, dim=-1)[..., :T]
        return own + spread * real[:, None, None]

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        start = torch.arange(0, length, self.chunk, device=device)[:, None]  # (N, 1)
        queries = start + torch.arange(self.chunk, device=device)
        tokens = start + torch.arange(-self.chunk, self.chunk * (1 if causal else 2), device=device)
        return Pieces((self.piece(queries, tokens, start // self.chunk, length, causal),))

    def whole(self, length: int, causal: bool, device: torch.device) -> Pieces:
        every = torch.arange(length, device=device)[None]
        return Pieces((self.piece(every, every, every // self.chunk, length, causal),))

    def piece(self, queries: Tensor, tokens: Tensor, own: Tensor, length: int, causal: bool) -> Piece:
        """Makes a piece of queries (N, b), in the chunks `own` (N, b or 1), with tokens (N, n), of which some may lie
        outside of the sequence, and with all summaries."""
        empty, outside = queries >= length, (tokens < 0) | (tokens >= length)
        chunk = tokens.div(self.chunk, rounding_mode="floor")
        near = ((own[:, :, None] - chunk[:, None]).abs() <= 1) & ~outside[:, None]  # (N, b or 1, n)
        if causal:
            near = near & (tokens[:, None] <= queries[:, :, None])
        summaries = torch.arange(-(-length // self.chunk), device=queries.device)
        behind = own[:, :, None] - summaries  # chunks from a summary's to a query's
        far = (behind if causal else behind.abs()) > 1
        shape = (*queries.shape, -1)
        allowed = torch.cat((near.expand(shape), far.expand(shape)), dim=-1) & ~empty[:, :, None]
        keys = torch.cat((tokens.masked_fill(outside, 0), (length + summaries).expand(len(tokens), -1)), dim=1)
        return Piece(queries.masked_fill(empty, 0), keys, allowed, empty)
