"""A block: self-attention and a feed-forward network, each joined to the residual stream."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.attention.base import Pattern
from stackcli.config.settings import Config
from stackcli.model.attention import Attention
from stackcli.model.dropout import Dropout, LayerDrop
from stackcli.model.fused_block import after_attention, normed_map
from stackcli.pe.base import Context, PositionEncoding
from stackcli.residual.base import Residual


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between them, Vaswani et al. 2017, eq. 2. (B, T, D) -> (B, T, D)."""

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.ff1 = nn.Linear(dim, hidden)
        self.ff2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.ff2(F.relu(self.ff1(x)))
        return projected


class Block(nn.Module):
    """Self-attention and a feed-forward network, each joined to the residual stream by a residual scheme.

    `feed=None`: a block without a feed-forward network. `own`: the block's own position encoding; None where all blocks
    use that of the stack.
    """

    def __init__(
        self,
        *,
        attention: Attention,
        join: Residual,
        feed: FeedForward | None,
        feed_join: Residual | None,
        own: PositionEncoding | None,
        dropout: float,
        layer_drop: float,
    ) -> None:
        super().__init__()
        self.attention, self.join, self.feed, self.feed_join = attention, join, feed, feed_join
        self.own, self.dropout, self.skip = own, Dropout(dropout), LayerDrop(layer_drop)
        if feed_join is not None:
            feed_join.pair(join)
        self.fused = self.fusible

    def forward(self, x: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        pe = pe if self.own is None else self.own
        if self.fused and self.training and not torch.is_autocast_enabled(x.device.type):
            return self.fused_forward(x, ctx, pe)
        x = self.join(x, lambda h: self.skip(self.dropout(self.attention(h, ctx, pe))), ctx.mask)
        if self.feed is None or self.feed_join is None:
            return x
        feed = self.feed
        y: Tensor = self.feed_join(x, lambda h: self.skip(self.dropout(feed(h))), ctx.mask)
        return y

    @property
    def fusible(self) -> bool:
        """Whether `fused_forward` computes this block: pre-LN or post-LN, layer normalisation, no layer drop."""
        joins, pattern = [self.join, self.feed_join], type(self.attention.pattern)
        plain = all(join is not None and join.order and isinstance(join.norm, nn.LayerNorm) for join in joins)
        own = pattern.gate is not Pattern.gate or pattern.prepare is not Pattern.prepare
        return plain and not own and self.skip.p == 0

    def fused_forward(self, x: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """What `forward` computes in training, with fewer passes over memory; hooks of the modules are not called."""
        assert self.feed is not None and self.feed_join is not None
        attention, feed, before = self.attention, self.feed, self.join.order == "pre"
        norms: list[Any] = [self.join.norm, self.feed_join.norm]
        qkv = normed_map(x, norms.pop(0), attention.qkv) if before else attention.qkv(x)
        y, maps = attention.mix_values(qkv, ctx, pe), [attention.out, feed.ff1, feed.ff2]
        kept = self.dropout.scales(x), self.dropout.scales(x)
        return after_attention(x, y, *kept, before=before, norms=norms, maps=maps)

    def joins(self) -> Iterator[Residual]:
        """Yields the residual joins of the branches, in order."""
        yield self.join
        if self.feed_join is not None:
            yield self.feed_join

    def gain(self, role: str) -> float:
        """Factor by which the residual scheme scales the initial matrix of a role (q, k, v, o, ff1, ff2)."""
        join = self.feed_join if role in ("ff1", "ff2") else self.join
        return join.gain(role) if join is not None else 1.0


def hidden_of(config: Config) -> int:
    """Hidden width of the feed-forward network; 0 without one."""
    return round(config.ff * config.dim)
