"""The shared core: attention, a block, the stack. Read top-down.

Shapes: B batch, T positions, D width, H heads, E = D / H, C classes, V vocabulary.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stackcli.common.seeding import address
from stackcli.model.blocks import Block
from stackcli.model.dropout import Dropout
from stackcli.pe.base import Context, PositionEncoding


class StackedAttention(nn.Module):
    """Token vectors, a position encoding, L blocks, masked mean pooling, a linear classifier."""

    def __init__(
        self,
        *,
        vocab: int,
        classes: int,
        dim: int,
        pe: PositionEncoding,
        blocks: list[Block],
        opening: nn.Module | None,
        closing: nn.Module | None,
        dropout: float,
        every: bool,
        outputs: int,
    ) -> None:
        super().__init__()
        self.every, self.outputs, self.classes = every, outputs, classes  # every: answers at each token, not once
        self.embedding = nn.Embedding(vocab, dim)
        self.pe, self.opening, self.blocks, self.closing = pe, opening, nn.ModuleList(blocks), closing
        self.stack = tuple(blocks)  # the same blocks, with their type
        self.head = nn.Linear(dim, outputs * classes)
        self.reach, self.seed = 0, 0  # positions are drawn from 0 .. reach - 1, at this seed; reach=0: they count
        self.dropout = Dropout(dropout)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, pos: Tensor | None = None, tree: Tensor | None = None
    ) -> Tensor:
        """Token ids (B, T) -> logits (B, C), or where every token is answered (B, T, C) or (B, T, outputs, C). mask:
        True on real tokens (B, T), None: all are. pos: (T,) or (B, T). tree: index of each token's parent (B, T)."""
        x, ctx = self.enter(tokens, mask, pos, tree)
        for block in self.stack:
            x = block(x, ctx, self.pe)
        return self.answer(x, mask)

    def enter(
        self, tokens: Tensor, mask: Tensor | None, pos: Tensor | None, tree: Tensor | None
    ) -> tuple[Tensor, Context]:
        """What enters block 1, token vectors with their positions (B, T, D), and where the tokens stand."""
        pos = self.positions(tokens, mask) if pos is None else pos
        ctx = Context(pos, mask, tree, causal=self.stack[0].attention.causal)
        x = self.pe.embed(self.embedding(tokens), ctx)
        if self.opening is not None:
            x = self.opening(x, mask)
        return self.dropout(x), ctx

    def answer(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The last block's output (B, T, D) -> logits."""
        if self.closing is not None:
            x = self.closing(x, mask)
        logits: Tensor = self.head(x if self.every else pool(x, mask))
        if self.outputs > 1:
            logits = logits.view(*logits.shape[:-1], self.outputs, self.classes)
        return logits

    def positions(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """0, 1, 2, ... (T,), or where they are randomised for each sequence a sorted choice from 0 .. reach - 1, (B,
        T). Ruoss et al. 2023, sec. 3, arXiv:2305.16843.

        In training the choice is drawn anew at each step. Otherwise it is a function of the seed and of the
        sequence's own tokens, so that a text is answered alike alone and in any batch. Padding stands at the last
        position. Raises ValueError where a sequence is longer than the range."""
        B, T = tokens.shape
        if not self.reach:
            return torch.arange(T, device=tokens.device)
        lengths = [T] * B if mask is None else mask.sum(1).tolist()
        if max(lengths) > self.reach:
            raise ValueError(f"{max(lengths)} tokens need pe.range={max(lengths)} at least, not {self.reach}")
        pos = torch.full((B, T), self.reach - 1)
        if self.training:
            most = max(lengths)
            chosen = torch.rand(B, self.reach).topk(most).indices  # the first n of a row are a choice of n
            chosen[torch.arange(most)[None] >= torch.tensor(lengths)[:, None]] = self.reach - 1
            pos[:, :most] = chosen.sort(1).values
            return pos.to(tokens.device)
        for row, ids, length in zip(range(B), tokens.tolist(), lengths, strict=True):
            draw = torch.Generator().manual_seed(address(self.seed, "positions", *ids[:length]))
            pos[row, :length] = torch.randperm(self.reach, generator=draw)[:length].sort().values
        return pos.to(tokens.device)

    def maps(self) -> Iterator[tuple[int, str, Tensor, Tensor]]:
        """Every linear map: (layer, role, weight (out, in), bias (out,)); views, so Q, K and V come one by one. The
        head's layer is 0."""
        for layer, block in enumerate(self.stack, start=1):
            attention = block.attention
            rows = zip("qkv", attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3), strict=True)
            yield from ((layer, role, weight, bias) for role, weight, bias in rows)
            yield layer, "o", attention.out.weight, attention.out.bias
            if block.feed is not None:
                yield layer, "ff1", block.feed.ff1.weight, block.feed.ff1.bias
                yield layer, "ff2", block.feed.ff2.weight, block.feed.ff2.bias
        yield 0, "head", self.head.weight, self.head.bias

    @property
    def kernel(self) -> str:
        """The attention kernel in use: fused or explicit."""
        first = self.stack[0]
        return "explicit" if first.attention.explicit or not (first.own or self.pe).fused else "fused"


def pool(x: Tensor, mask: Tensor | None) -> Tensor:
    """The mean over real tokens: (B, T, D) -> (B, D); zero where a sequence has none."""
    if mask is None:
        return x.mean(1)
    kept = mask.to(x.dtype)[..., None]  # (B, T, 1)
    return (x * kept).sum(1) / kept.sum(1).clamp(min=1)


def matrices(model: nn.Module) -> Iterator[nn.Parameter]:
    """Parameters that weight decay reaches: the token vectors and the matrices of linear maps and convolutions. Not
    biases, gains, and other vectors or tables of them, such as those of positions."""
    for module in model.modules():
        whole = isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d | nn.Conv2d)
        own = getattr(module, "maps", ())
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() >= 2 and (whole or name in own):
                yield parameter
