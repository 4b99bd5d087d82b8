"""The stack of self-attention blocks. Read this file first, then blocks.py and attention.py.

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
    """Token vectors, a position encoding, blocks, mean pooling over the real tokens, and a linear classifier.

    `opening`, `closing`: normalisations before the first and after the last block. `every`: `outputs` answers at every
    token, without pooling, instead of one for the sequence.
    """

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
        self.every, self.outputs, self.classes = every, outputs, classes
        self.embedding = nn.Embedding(vocab, dim)
        self.pe, self.opening, self.blocks, self.closing = pe, opening, nn.ModuleList(blocks), closing
        self.stack = tuple(blocks)  # the same blocks, with their type
        self.head = nn.Linear(dim, outputs * classes)
        self.reach, self.seed = 0, 0  # positions are drawn from 0 .. reach - 1; reach=0: they count from 0
        self.dropout = Dropout(dropout)

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        pos: Tensor | None = None,
        tree: Tensor | None = None,
        added: Tensor | None = None,
    ) -> Tensor:
        """Token ids (B, T) -> logits (B, C), or with an answer at every token (B, T, C) or (B, T, outputs, C).

        mask: True on real tokens (B, T); None without padding. pos: positions (T,) or (B, T); None where the stack
        chooses them. tree: index of each token's parent (B, T). added: what is added to the token vectors before the
        position encoding, (B, T, D).
        """
        return self.classify(self.vectors(tokens, mask, pos, tree, added))

    def vectors(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        pos: Tensor | None = None,
        tree: Tensor | None = None,
        added: Tensor | None = None,
    ) -> Tensor:
        """What the classifier is given: (B, D), or with an answer at every token (B, T, D)."""
        x, ctx = self.enter(tokens, mask, pos, tree, added)
        for block in self.stack:
            x = block(x, ctx, self.pe)
        return self.leave(x, mask)

    def enter(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        pos: Tensor | None,
        tree: Tensor | None,
        added: Tensor | None = None,
    ) -> tuple[Tensor, Context]:
        """Returns the input of block 1, (B, T, D), and the context that every block is given."""
        pos = self.positions(tokens, mask) if pos is None else pos
        ctx = Context(pos, mask, tree, causal=self.stack[0].attention.causal, kept={})
        x = self.embedding(tokens)
        if added is not None:
            x = x + added
        if mask is not None:  # so that NaN or inf at padding reaches no token and no gradient, in any block
            x = x.masked_fill(~mask[..., None], 0)
        x = self.pe.embed(x, ctx)
        if self.opening is not None:
            x = self.opening(x, mask)
        return self.dropout(x), ctx

    def leave(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Output of the last block (B, T, D) -> what the classifier is given."""
        if self.closing is not None:
            x = self.closing(x, mask)
        return x if self.every else pool(x, mask)

    def classify(self, x: Tensor) -> Tensor:
        """What the classifier is given -> logits."""
        logits: Tensor = self.head(x)
        if self.outputs > 1:
            logits = logits.view(*logits.shape[:-1], self.outputs, self.classes)
        return logits

    def positions(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Positions 0, 1, 2, ... (T,); or where they are randomised, for each sequence a sorted random choice from
        0 .. reach - 1, (B, T): Ruoss et al. 2023, sec. 3, arXiv:2305.16843.

        In training they are drawn again at each step. In evaluation they depend only on the seed and the sequence's own
        tokens, so that a sequence gets the same answer alone and in any batch. Padding gets the last position. Raises
        ValueError for a sequence longer than the range.
        """
        B, T = tokens.shape
        if not self.reach:
            return torch.arange(T, device=tokens.device)
        lengths = [T] * B if mask is None else mask.sum(1).tolist()
        longest = max(lengths)
        if longest > self.reach:
            raise ValueError(f"{longest} tokens need at least pe.range={longest}, not {self.reach}")
        pos = torch.full((B, T), self.reach - 1)
        if self.training:
            chosen = torch.rand(B, self.reach).topk(longest).indices  # the first n of a row are a random choice of n
            chosen[torch.arange(longest)[None] >= torch.tensor(lengths)[:, None]] = self.reach - 1
            pos[:, :longest] = chosen.sort(1).values
            return pos.to(tokens.device)
        for row, ids, length in zip(range(B), tokens.tolist(), lengths, strict=True):
            draw = torch.Generator().manual_seed(address(self.seed, "positions", *ids[:length]))
            pos[row, :length] = torch.randperm(self.reach, generator=draw)[:length].sort().values
        return pos.to(tokens.device)

    def maps(self) -> Iterator[tuple[int, str, Tensor, Tensor]]:
        """Yields every linear map as (layer, role, weight (out, in), bias (out,)). Q, K and V are views of one matrix;
        the classifier is layer 0."""
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
        """Name of the attention kernel in use: fused, explicit or flex, or several where layers differ, in their
        order."""
        names = [block.attention.kernel(block.own or self.pe) for block in self.stack]
        return ", ".join(dict.fromkeys(names))


def pool(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the real tokens: (B, T, D) -> (B, D); zero for a sequence without any."""
    if mask is None:
        return x.mean(1)
    real = mask.to(x.dtype)[..., None]  # (B, T, 1)
    return (x * real).sum(1) / real.sum(1).clamp(min=1)


def matrices(model: nn.Module) -> Iterator[nn.Parameter]:
    """Yields the parameters that weight decay applies to: token vectors and the matrices of linear maps, convolutions
    and recurrent units. Biases, gains and tables of vectors, such as those of positions, are not decayed."""
    for module in model.modules():
        decayed = isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d | nn.Conv2d | nn.GRU)
        maps = getattr(module, "maps", ())  # of a position encoding: its own matrices of linear maps
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() >= 2 and (decayed or name in maps):
                yield parameter
