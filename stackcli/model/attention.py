"""Multi-head self-attention: scores, position encodings, masks, and the two kernels."""

import math
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stackcli.attention.base import Pattern
from stackcli.model.dropout import Dropout
from stackcli.model.sparse_attention import sparse_attention
from stackcli.pe.base import Context, PositionEncoding

PAD = 0  # token id of padding


class Attention(nn.Module):
    """Multi-head self-attention, Vaswani et al. 2017, sec. 3.2. (B, T, D) -> (B, T, D)."""

    def __init__(self, *, dim: int, heads: int, causal: bool, pattern: Pattern, dropout: float, explicit: bool) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim={dim} is not divisible by heads={heads}")
        self.heads, self.causal, self.pattern, self.explicit = heads, causal, pattern, explicit
        self.dense = False  # whether all pairs are computed even if the pattern has pieces; diagnostics set it
        self.drop = Dropout(dropout)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        qkv = self.qkv(self.pattern.prepare(x, ctx.mask))
        projected: Tensor = self.out(self.pattern.gate(x, self.mix_values(qkv, ctx, pe)))
        return projected

    def mix_values(self, qkv: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """Queries, keys and values (B, T, 3 D) -> the outputs of the heads side by side, (B, T, D)."""
        q, k, v = SplitHeads.apply(qkv, self.heads)  # type: ignore[no-untyped-call]  # (B, H, T, E) each
        y = self.attend(q, k, v, ctx, pe)
        return y.transpose(1, 2).flatten(2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """Queries, keys and values of the heads -> their outputs, (B, H, T, E) each."""
        if self.pattern.extends:
            return self.with_more_keys(q, k, v, ctx, pe)
        q, k = pe.rotate(q, k, ctx)
        found = None if self.dense else self.pattern.pieces(q.shape[-2], self.causal, q.device)
        if not self.pattern.scored:
            return self.without_scores(q, k, v, ctx)
        if found is not None:
            return sparse_attention(q, k, v, ctx, pe, found, drop=self.drop, explicit=self.explicit)
        if self.explicit or not (pe.fused and self.pattern.fused):
            return self.by_hand(q, k, v, ctx, pe)
        return self.by_kernel(q, k, v, ctx, pe)

    def with_more_keys(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """Attention of a kind that adds keys to those of the tokens."""

        def rotate(q: Tensor, k: Tensor, pos: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
            return pe.rotate(q, k, replace(ctx, pos=pos, mask=mask))

        def record(weights: Tensor) -> None:
            self.weights(self.pattern.fold(weights, ctx.mask))

        length, device, pattern = q.shape[-2], q.device, self.pattern
        found = (pattern.whole if self.dense else pattern.pieces)(length, self.causal, device)
        assert found is not None
        q, k, v, pos, mask, added = pattern.extend(q, k, v, ctx.pos, ctx.mask, rotate)
        more = replace(ctx, pos=pos, mask=mask)
        seen = record if self.dense else None
        return sparse_attention(
            q, k, v, more, pe, found, drop=self.drop, explicit=self.explicit, added=added, record=seen
        )

    def by_kernel(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """Attention by PyTorch's fused kernel; the bias and the masks are passed as one mask."""
        bias, p, sink = bias_of(pe, q, k, ctx), self.drop.p if self.training else 0.0, self.pattern.sink()
        pattern = self.pattern.allowed(q.shape[-2], q.device)
        if bias is None and sink is None and pattern is None:
            if self.causal and ctx.mask is None:
                return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
            return F.scaled_dot_product_attention(
                q, k, v, attn_mask=additive_mask(ctx, q, causal=self.causal), dropout_p=p
            )

        def make() -> Tensor | None:  # with four dimensions: PyTorch has no fast kernel for a mask with three
            allowed = join_masks(pattern, ctx, q.shape[-2], causal=self.causal)
            found = allowed if bias is None else bias if allowed is None else bias.masked_fill(~allowed, -math.inf)
            if found is None:
                return None
            found = found if found.dtype == torch.bool else found.to(q.dtype)  # PyTorch would misread another type
            return found.view((1,) * (4 - found.dim()) + found.shape)

        once = pattern is None and pe.bias_of_positions
        mask = ctx.keep((id(pe), "masked", q.dtype), make) if once else make()
        y: Tensor
        if sink is None:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
            return y
        scale = 1 / math.sqrt(q.shape[-1])
        q, k, v, mask = with_sink_key(q, k, v, mask, sink / scale)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p, scale=scale)
        return y[..., :-1]

    def without_scores(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context) -> Tensor:
        """Attention of a kind without scores; where it is recorded, by its weights."""
        if self.dense:
            return self.weights(self.pattern.weights(q, k, ctx.mask)) @ v
        return self.pattern.attend(q, k, v, ctx.mask)

    def by_hand(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """Attention written out, for encodings that the fused kernel cannot compute and for recording the weights."""
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)  # (B, H, T, T)
        scores, allowed = self.pattern.mix_scores(add_bias(pe, scores, q, k, ctx)), self.allowed(ctx, q.shape[-2])
        if allowed is not None:
            scores = scores.masked_fill_(~allowed, -math.inf)
        if (sink := self.pattern.sink()) is not None:
            scores = torch.cat((scores, sink.to(scores)[:, None, None].expand(*scores.shape[:-1], 1)), dim=-1)
        found = scores.softmax(-1)
        found = self.pattern.mix_weights(found if sink is None else found[..., :-1])
        weights: Tensor = self.drop(self.weights(found))  # (B, H, T, T)
        out: Tensor = weights @ v  # before `mix`, so that autograd adds both gradients in place
        mixed = pe.mix(weights, ctx)
        return out if mixed is None else out + mixed

    def kernel(self, pe: PositionEncoding) -> str:
        """Name of the kernel that computes attention with this encoding: fused or explicit."""
        return "explicit" if self.explicit or not (pe.fused and self.pattern.fused) else "fused"

    def allowed(self, ctx: Context, length: int) -> Tensor | None:
        """True where query i may attend to key j, broadcastable to (B, 1, T, T); None where nothing is masked."""
        return join_masks(self.pattern.allowed(length, ctx.pos.device), ctx, length, causal=self.causal)

    def weights(self, weights: Tensor) -> Tensor:
        """Returns the attention weights (B, H, T, T) unchanged; diagnostics replace this method to record them."""
        return weights


class SplitHeads(torch.autograd.Function):
    """Views of queries, keys and values by head: (B, T, 3 D) -> three (B, H, T, E). Its gradient is copied once, that
    of `permute` and `unbind` twice."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int) -> tuple[Tensor, ...]:
        B, T, D3 = qkv.shape
        return qkv.view(B, T, 3, heads, D3 // 3 // heads).permute(2, 0, 3, 1, 4).unbind()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return torch.stack([grad.transpose(1, 2) for grad in grads], dim=2).flatten(2), None


def bias_of(pe: PositionEncoding, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
    """The encoding's bias; if it depends on positions only, it is computed once for all blocks."""
    if not pe.bias_of_positions:
        return pe.bias(q, k, ctx)
    return ctx.keep((id(pe), "bias", q.dtype), lambda: pe.bias(q, k, ctx))


def add_bias(pe: PositionEncoding, scores: Tensor, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
    """Adds the encoding's bias to the scores in place, (B, H, T, T) -> (B, H, T, T)."""
    if (added := pe.add_bias(scores, q, k, ctx)) is not None:
        return added
    bias = bias_of(pe, q, k, ctx)
    return scores if bias is None else scores.add_(bias)


def join_masks(pattern: Tensor | None, ctx: Context, length: int, *, causal: bool) -> Tensor | None:
    """True where query i may attend to key j by the pattern (T, T), the padding and the causal mask, broadcastable to
    (B, 1, T, T); None where nothing is masked."""
    common = ctx.keep(f"allowed {causal}", lambda: common_mask(ctx, length, causal=causal))
    if pattern is None or common is None:
        return common if pattern is None else pattern
    return pattern & common


def common_mask(ctx: Context, length: int, *, causal: bool) -> Tensor | None:
    """The padding and the causal mask, the same in every block. In a padded batch every token may attend to itself,
    padding included, so that no softmax is empty and gives NaN."""
    device = ctx.pos.device
    past = torch.ones(length, length, dtype=torch.bool, device=device).tril() if causal else None
    if ctx.mask is None:
        return past
    allowed = ctx.mask[:, None, None, :]  # (B, 1, 1, T)
    return (allowed if past is None else past & allowed) | torch.eye(length, dtype=torch.bool, device=device)


def additive_mask(ctx: Context, like: Tensor, *, causal: bool) -> Tensor | None:
    """The mask of `common_mask` as numbers to add to scores: 0 and -inf."""

    def make() -> Tensor | None:
        allowed = join_masks(None, ctx, like.shape[-2], causal=causal)
        return None if allowed is None else like.new_zeros(allowed.shape).masked_fill_(~allowed, -math.inf)

    return ctx.keep(f"additive {causal} {like.dtype}", make)


def with_sink_key(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, product: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Adds a key that every query sees, whose product with any query is `product` (H,) and whose value is zero: all
    vectors get one more dimension, in which queries are 1 and the other keys 0. (B, H, T, E) -> (B, H, T, E + 1) and
    (B, H, T + 1, E + 1); the mask gets one more column. So the product has a gradient without a mask that needs one."""
    B, H, _, E = k.shape
    own = F.pad(product.to(k)[:, None, None], (E, 0)).expand(B, H, 1, E + 1)
    k = torch.cat((F.pad(k, (0, 1)), own), dim=-2)
    if mask is not None:
        mask = F.pad(mask, (0, 1), value=True if mask.dtype == torch.bool else 0.0)
    return F.pad(q, (0, 1), value=1.0), k, F.pad(v, (0, 1, 0, 1)), mask
