"""A block: attention and feed-forward network, each a branch of a residual scheme."""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.config.settings import Config
from stackcli.model.attention import Attention
from stackcli.model.dropout import Dropout, LayerDrop
from stackcli.pe.base import Context, PositionEncoding
from stackcli.residual.base import Residual


class FeedForward(nn.Module):
    """Two linear maps with ReLU between, Vaswani et al. 2017, eq. 2. (B, T, D) -> (B, T, D)."""

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.ff1 = nn.Linear(dim, hidden)
        self.ff2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.ff2(F.relu(self.ff1(x)))
        return projected


class Block(nn.Module):
    """Self-attention and a feed-forward map, each joined to the stream by a residual scheme; `feed=None` leaves
    attention alone. `own` is the block's own encoding, where its tables are not shared between layers."""

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

    def forward(self, x: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        pe = pe if self.own is None else self.own
        x = self.join(x, lambda h: self.skip(self.dropout(self.attention(h, ctx, pe))), ctx.mask)
        if self.feed is None or self.feed_join is None:
            return x
        feed = self.feed
        y: Tensor = self.feed_join(x, lambda h: self.skip(self.dropout(feed(h))), ctx.mask)
        return y

    def joins(self) -> Iterator[Residual]:
        """Those of its branches, in order."""
        yield self.join
        if self.feed_join is not None:
            yield self.feed_join

    def gain(self, role: str) -> float:
        """What its residual scheme multiplies a drawn matrix with."""
        join = self.feed_join if role in ("ff1", "ff2") else self.join
        return join.gain(role) if join is not None else 1.0


def hidden_of(config: Config) -> int:
    """Hidden width of the feed-forward map; 0 where there is none."""
    return round(config.ff * config.dim)
