"""The stack against PyTorch's own, against finite differences, and against what must be exactly so."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from stackcli import model as core
from stackcli.pe.base import Context
from tests.factory import config, padding, part, stack, tokens

PES = ("none", "learned", "sinusoidal", "relative")
LENGTHS = [9, 5, 1]


def reference(model: core.StackedAttention, *, before: bool, dtype: torch.dtype) -> nn.TransformerEncoder:
    """`nn.TransformerEncoder` with the same weights."""
    dim, hidden = 16, 32
    layer = nn.TransformerEncoderLayer(dim, 2, hidden, 0.0, batch_first=True, norm_first=before)
    theirs = nn.TransformerEncoder(layer, 2, nn.LayerNorm(dim) if before else None, enable_nested_tensor=False).to(
        dtype
    )
    for own, other in zip(model.stack, theirs.layers, strict=True):
        pairs = [
            (other.self_attn.in_proj_weight, own.attention.qkv.weight),
            (other.self_attn.in_proj_bias, own.attention.qkv.bias),
            (other.self_attn.out_proj.weight, own.attention.out.weight),
            (other.self_attn.out_proj.bias, own.attention.out.bias),
            (other.linear1.weight, own.feed.ff1.weight),
            (other.linear1.bias, own.feed.ff1.bias),
            (other.linear2.weight, own.feed.ff2.weight),
            (other.linear2.bias, own.feed.ff2.bias),
        ]
        for theirs_tensor, ours_tensor in pairs:
            theirs_tensor.data.copy_(ours_tensor.data)
    return theirs.eval()


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_blocks_and_their_gradients_equal_pytorchs(
    residual: str, causal: bool, dtype: torch.dtype, tolerance: float
) -> None:
    model = stack(residual=residual, causal=causal, pe="none").to(dtype)
    theirs = reference(model, before=residual == "pre", dtype=dtype)
    x = torch.randn(3, 9, 16, dtype=dtype, generator=torch.Generator().manual_seed(0))
    mask = padding(LENGTHS, 9)
    ours_in, theirs_in = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, ctx = ours_in, Context(torch.arange(9), mask)
    for block in model.stack:
        y = block(y, ctx, model.pe)
    y = model.closing(y)
    future = torch.ones(9, 9, dtype=torch.bool).triu(1) if causal else None
    z = theirs(theirs_in, mask=future, src_key_padding_mask=~mask)
    assert (y - z)[mask].abs().max() < tolerance
    y[mask].square().sum().backward()
    z[mask].square().sum().backward()
    assert (ours_in.grad - theirs_in.grad).abs().max() < tolerance * 100
    ours = model.stack[0].attention.qkv.weight.grad
    assert (ours - theirs.layers[0].self_attn.in_proj_weight.grad).abs().max() < tolerance * 1000


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_fused_and_explicit_attention_agree(pe: str, causal: bool, padded: bool) -> None:
    mask = padding(LENGTHS, 9) if padded else None
    auto = stack(pe=pe, causal=causal).float()
    by_hand = stack(pe=pe, causal=causal, kernel="explicit").float()
    assert by_hand.kernel == "explicit" and auto.kernel == ("explicit" if pe == "relative" else "fused")
    assert (auto(tokens(), mask) - by_hand(tokens(), mask)).abs().max() < 1e-5


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("causal", [False, True])
def test_padding_never_changes_an_answer(pe: str, causal: bool) -> None:
    model = stack(pe=pe, causal=causal)
    together = model(tokens(), padding(LENGTHS, 9))
    alone = torch.cat([model(tokens()[i : i + 1, :n]) for i, n in enumerate(LENGTHS)])
    assert (together - alone).abs().max() < 1e-12


@pytest.mark.parametrize("pe", PES)
def test_the_future_changes_nothing_before_it(pe: str) -> None:
    model, first = stack(pe=pe, causal=True), tokens(1)
    other = first.clone()
    other[0, 6:] = (other[0, 6:] + 7) % 29 + 1
    seen: list[torch.Tensor] = []
    model.closing.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model(first), model(other)
    assert torch.equal(seen[0][0, :6], seen[1][0, :6])
    assert not torch.equal(seen[0][0, 6:], seen[1][0, 6:])


@pytest.mark.parametrize("pe", PES)
def test_only_without_an_encoding_are_tokens_a_set(pe: str) -> None:
    model, x = stack(pe=pe), tokens(1)
    change = (model(x) - model(x.flip(1))).abs().max()
    assert change < 1e-12 if pe == "none" else change > 1e-9


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_fully_padded_row_gives_no_nan(pe: str, kernel: str, causal: bool) -> None:
    model = stack(pe=pe, kernel=kernel, causal=causal)
    logits = model(tokens(), padding([9, 4, 0], 9))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("pe", PES)
def test_gradients_equal_central_differences(pe: str) -> None:
    model, x, mask = stack(pe=pe, depth=1), tokens(2, 5), padding([5, 3], 5)
    target = torch.tensor([0, 2])

    def loss() -> torch.Tensor:
        return F.cross_entropy(model(x, mask), target)

    loss().backward()
    draw = torch.Generator().manual_seed(0)
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        direction = torch.randn(p.shape, dtype=p.dtype, generator=draw)
        with torch.no_grad():
            p.add_(direction, alpha=1e-6)
            high = loss()
            p.add_(direction, alpha=-2e-6)
            low = loss()
            p.add_(direction, alpha=1e-6)
        assert abs(float((high - low) / 2e-6) - float((p.grad * direction).sum())) < 1e-6, name


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_flops_equal_pytorchs_counter(pe: str, ff: float) -> None:
    model, T = stack(pe=pe, ff=ff, kernel="explicit").float(), 11
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens(1, T))
    assert core.flops(config(dim=16, heads=2, ff=ff), model, T) == counter.get_total_flops()


def test_parameters_are_those_of_the_closed_form() -> None:
    D, F_, L, V, C = 16, 32, 2, 30, 3
    block = 4 * D * D + 4 * D + 2 * D * F_ + D + F_ + 4 * D
    every, tables = core.count(stack(pe="learned"))
    assert every == L * block + V * D + 64 * D + 2 * D + D * C + C
    assert tables == V * D + 64 * D
    assert core.count(stack(pe="none"))[1] == V * D


def test_layer_1_starts_the_same_at_every_depth() -> None:
    for pe in PES:
        shallow, deep = stack(depth=1, pe=pe).state_dict(), stack(depth=16, pe=pe).state_dict()
        shared = [k for k in shallow if k.startswith(("blocks.0", "embedding", "pe.", "head"))]
        assert len(shared) > 10 and all(torch.equal(shallow[k], deep[k]) for k in shared)


def test_another_seed_is_another_start_and_layers_differ() -> None:
    one, two = stack(seed=0), stack(seed=1)
    assert not torch.equal(one.embedding.weight, two.embedding.weight)
    assert not torch.equal(one.stack[0].attention.qkv.weight, one.stack[1].attention.qkv.weight)


def test_ff_0_is_attention_only() -> None:
    assert stack(ff=0.0).stack[0].feed is None
    assert {role for _, role, _, _ in stack(ff=0.0).maps()} == {"q", "k", "v", "o", "head"}


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="dim=10 is not divisible by heads=4"):
        core.Attention(dim=10, heads=4, causal=False, explicit=False)


def test_dropout_keeps_the_mean_drops_its_share_and_passes_gradients_of_the_kept() -> None:
    drop, x = core.Dropout(0.3), torch.ones(200_001, requires_grad=True)
    torch.manual_seed(0)
    y = drop(x)
    y.sum().backward()
    kept = y > 0
    assert abs(float(kept.float().mean()) - 0.7) < 0.005
    assert torch.allclose(y[kept], torch.tensor(65536 / (65536 - round(0.3 * 65536))))
    assert x.grad is not None and torch.equal(x.grad, y.detach())
    torch.manual_seed(0)
    assert torch.equal(drop(x), y)
    assert torch.equal(drop.eval()(x), x)


def test_a_part_with_its_own_keys_is_built_with_them() -> None:
    assert stack(pe=part("relative", clip=3, keys=True, values=False)).stack[0].own.key.shape == (7, 8)
