"""Shaw et al. 2018 against a triple loop written from equations 3 to 5."""

import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from stackcli.attention.full import Full
from stackcli.model.attention import Attention
from stackcli.pe.base import Context
from stackcli.pe.relative import Relative
from tests.factory import padding, part, stack, tokens

B, H, T, E = 2, 3, 7, 4


def triple_loop(q: Tensor, k: Tensor, v: Tensor, pos: Tensor, pe: Relative) -> Tensor:
    """z_i = sum_j softmax_j(q_i (k_j + aK_ij) / sqrt(E)) (v_j + aV_ij), a_ij the row clip(j - i)."""
    out = torch.zeros_like(v)
    for b in range(B):
        at = (pos if pos.dim() == 1 else pos[b]).tolist()
        for h in range(H):
            for i in range(T):
                rows = [max(-pe.clip, min(pe.clip, at[j] - at[i])) + pe.clip for j in range(T)]
                scores = [
                    float(q[b, h, i] @ (k[b, h, j] + (pe.key[r] if pe.key is not None else 0))) / math.sqrt(E)
                    for j, r in enumerate(rows)
                ]
                weights = torch.tensor(scores, dtype=torch.float64).softmax(0)
                for j, r in enumerate(rows):
                    out[b, h, i] += weights[j] * (v[b, h, j] + (pe.value[r] if pe.value is not None else 0))
    return out


def encoding(clip: int, *, keys: bool = True, values: bool = True) -> Relative:
    torch.manual_seed(0)
    return Relative(dim=H * E, heads=H, max_len=64, clip=clip, keys=keys, values=values).double()


POSITIONS = {
    "consecutive": torch.arange(T),
    "shifted": torch.arange(T) + 20,
    "skipped": torch.tensor([0, 2, 3, 9, 10, 30, 31]),
    "by sequence": torch.stack((torch.arange(T), torch.arange(T) * 3)),
}


@pytest.mark.parametrize("clip", [0, 1, 3, 50])
@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("keys,values", [(True, True), (True, False), (False, True)])
@torch.no_grad()
def test_attention_equals_a_triple_loop(clip: int, where: str, keys: bool, values: bool) -> None:
    pe, pos = encoding(clip, keys=keys, values=values), POSITIONS[where]
    q, k, v = torch.randn(3, B, H, T, E, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    scores, ctx = q @ k.transpose(-1, -2) / math.sqrt(E), Context(pos)
    bias = pe.bias(q, k, ctx)
    weights = (scores if bias is None else scores + bias).softmax(-1)
    mixed = pe.mix(weights, ctx)
    ours = weights @ v if mixed is None else weights @ v + mixed
    assert (ours - triple_loop(q, k, v, pos, pe)).abs().max() < 1e-12


def test_a_shift_of_all_positions_changes_nothing() -> None:
    model, x = stack(pe="relative"), tokens()
    assert torch.equal(model(x, pos=torch.arange(9)), model(x, pos=torch.arange(9) + 20))


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the size of the largest tensor that is created."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, tuple | list) else (out,):
            if isinstance(item, Tensor) and item.untyped_storage().nbytes():
                self.size = max(self.size, item.untyped_storage().nbytes() // item.element_size())
        return out


def test_no_tensor_of_t_by_t_by_e_is_made_forward_or_backward() -> None:
    length, heads, width = 64, 2, 16
    pe = Relative(dim=heads * width, heads=heads, max_len=64, clip=4)
    q, k = torch.randn(2, 1, heads, length, width, requires_grad=True)
    with Largest() as largest:  # type: ignore[no-untyped-call]
        ctx = Context(torch.arange(length))
        bias = pe.bias(q, k, ctx)
        assert bias is not None
        mixed = pe.mix((q @ k.transpose(-1, -2) + bias).softmax(-1), ctx)
        assert mixed is not None
        mixed.square().sum().backward()  # type: ignore[no-untyped-call]
    assert heads * length * length <= largest.size < length * length * width


def test_an_encoding_without_keys_and_values_is_refused() -> None:
    with pytest.raises(ValueError, match="pe=none"):
        encoding(4, keys=False, values=False)


@pytest.mark.parametrize("clip", [0, 1, 3, 50])
@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_a_whole_attention_layer_equals_the_paper_with_padding_and_a_causal_mask(
    clip: int, where: str, causal: bool
) -> None:
    pe, pos, D = encoding(clip), POSITIONS[where], H * E
    layer = Attention(dim=D, heads=H, causal=causal, pattern=Full(), dropout=0.0, explicit=False).double()
    x = torch.randn(B, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    lengths = [T, 4]
    ours = layer(x, Context(pos, padding(lengths, T)), pe)
    assert pe.key is not None and pe.value is not None
    wq, wk, wv = layer.qkv.weight.chunk(3)
    bq, bk, bv = layer.qkv.bias.chunk(3)
    for b, n in enumerate(lengths):
        at = (pos if pos.dim() == 1 else pos[b]).tolist()
        for i in range(n):
            heads = []
            for h in range(H):
                own = slice(h * E, (h + 1) * E)
                q = wq[own] @ x[b, i] + bq[own]
                seen = [j for j in range(n) if j <= i or not causal]
                rows = [max(-clip, min(clip, at[j] - at[i])) + clip for j in seen]
                keys = torch.stack([wk[own] @ x[b, j] + bk[own] + pe.key[r] for j, r in zip(seen, rows, strict=True)])
                values = torch.stack(
                    [wv[own] @ x[b, j] + bv[own] + pe.value[r] for j, r in zip(seen, rows, strict=True)]
                )
                e = (keys @ q / math.sqrt(E)).exp()
                heads.append((e / e.sum()) @ values)
            expected = layer.out.weight @ torch.cat(heads) + layer.out.bias
            assert (ours[b, i] - expected).abs().max() < 1e-12


def test_sequences_with_different_positions_give_the_same_as_each_alone() -> None:
    model, x = stack(pe="relative"), tokens(3, 7)
    pos = torch.stack((torch.arange(7), torch.arange(7) * 4 + 9, torch.tensor([5, 3, 40, 0, 1, 2, 60])))
    alone = torch.cat([model(x[i : i + 1], pos=pos[i]) for i in range(3)])
    assert (model(x, pos=pos) - alone).abs().max() < 1e-12
    assert (model(x, pos=pos) - model(x)).abs().max() > 1e-9


def test_offsets_beyond_the_clip_are_equal_and_the_sign_of_an_offset_matters() -> None:
    model, x = stack(pe=part("relative", clip=2, keys=True, values=True), depth=1), tokens(1, 3)
    logits = [model(x, pos=torch.tensor(pos)) for pos in ([0, 2, 4], [0, 9, 30], [4, 2, 0])]
    assert torch.equal(logits[0], logits[1])
    assert (logits[0] - logits[2]).abs().max() > 1e-9


def test_sequences_longer_than_max_len_are_accepted() -> None:
    assert stack(pe="relative")(tokens(1, 200)).isfinite().all()  # max_len is 64


def test_every_layer_has_its_own_tables_shared_by_its_heads() -> None:
    model = stack(pe=part("relative", clip=5, keys=True, values=True), depth=3)
    own = [block.own for block in model.stack]
    assert [pe.key.shape for pe in own if isinstance(pe, Relative) and pe.key is not None] == [(11, 8)] * 3
    assert len(set(own)) == 3 and not list(model.pe.parameters())


def test_no_tensor_of_t_by_t_by_e_is_made_by_a_whole_stack() -> None:
    length, D, heads = 64, 32, 2
    model = stack(pe=part("relative", clip=4, keys=True, values=True), dim=D, heads=heads).float()
    model.train()
    with Largest() as largest:  # type: ignore[no-untyped-call]
        model(tokens(1, length), padding([60], length)).sum().backward()
    assert heads * length * length <= largest.size < length * length * (D // heads)
