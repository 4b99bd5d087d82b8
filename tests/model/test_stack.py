"""The stack against PyTorch's own, against finite differences, and against what must be exactly so."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from stackcli.attention.full import Full
from stackcli.common import registry
from stackcli.model import attention, blocks, cost, dropout
from stackcli.model import stack as core
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
    y = y if model.closing is None else model.closing(y, mask)
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


@pytest.mark.parametrize(
    "pe", [n for n in registry.part_names("pe") if "randomised" in registry.part_keys(registry.load_part("pe", n))]
)
def test_flops_with_randomised_positions_equal_pytorchs_counter(pe: str) -> None:
    model, T = stack(pe=part(pe, randomised=True, range=40), kernel="explicit").float(), 11
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens(1, T))
    assert cost.flops(config(dim=16, heads=2, ff=2.0), model, T) == counter.get_total_flops()


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_flops_equal_pytorchs_counter(pe: str, ff: float) -> None:
    model, T = stack(pe=pe, ff=ff, kernel="explicit").float(), 11
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens(1, T))
    assert cost.flops(config(dim=16, heads=2, ff=ff), model, T) == counter.get_total_flops()


def test_parameters_are_those_of_the_closed_form() -> None:
    D, F_, L, V, C = 16, 32, 2, 30, 3
    block = 4 * D * D + 4 * D + 2 * D * F_ + D + F_ + 4 * D
    every, tables = cost.count(stack(pe="learned"))
    assert every == L * block + V * D + 64 * D + 2 * D + D * C + C
    assert tables == V * D + 64 * D
    assert cost.count(stack(pe="none"))[1] == V * D


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
        attention.Attention(dim=10, heads=4, causal=False, pattern=Full(), dropout=0.0, explicit=False)


def test_dropout_keeps_the_mean_drops_its_share_and_passes_gradients_of_the_kept() -> None:
    drop, x = dropout.Dropout(0.3), torch.ones(200_001, requires_grad=True)
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


# ---- every gradient, every combination


def pairs(own: blocks.Block, other: nn.TransformerEncoderLayer) -> list[tuple[nn.Parameter, nn.Parameter]]:
    """The same parameter here and in PyTorch's layer, gains and offsets of the two norms among them."""
    join, feed_join = own.join.norm, own.feed_join.norm
    return [
        (own.attention.qkv.weight, other.self_attn.in_proj_weight),
        (own.attention.qkv.bias, other.self_attn.in_proj_bias),
        (own.attention.out.weight, other.self_attn.out_proj.weight),
        (own.attention.out.bias, other.self_attn.out_proj.bias),
        (own.feed.ff1.weight, other.linear1.weight),
        (own.feed.ff1.bias, other.linear1.bias),
        (own.feed.ff2.weight, other.linear2.weight),
        (own.feed.ff2.bias, other.linear2.bias),
        (join.weight, other.norm1.weight),
        (join.bias, other.norm1.bias),
        (feed_join.weight, other.norm2.weight),
        (feed_join.bias, other.norm2.bias),
    ]


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_every_parameters_gradient_equals_pytorchs(
    residual: str, causal: bool, padded: bool, kernel: str, dtype: torch.dtype, tolerance: float
) -> None:
    model = stack(residual=residual, causal=causal, pe="none", kernel=kernel).to(dtype)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:  # gains of 1 and offsets of 0 would hide a mistake
                p.add_(torch.randn(p.shape, dtype=dtype, generator=draw), alpha=0.3)
    theirs = reference(model, before=residual == "pre", dtype=dtype)
    both = [pair for own, other in zip(model.stack, theirs.layers, strict=True) for pair in pairs(own, other)]
    for ours, other in both:
        other.data.copy_(ours.data)
    x = torch.randn(3, 9, 16, dtype=dtype, generator=draw)
    goal = torch.randn(3, 9, 16, dtype=dtype, generator=draw)
    mask = padding(LENGTHS, 9) if padded else None
    real = torch.ones(3, 9, dtype=torch.bool) if mask is None else mask
    y, ctx = x, Context(torch.arange(9), mask)
    for block in model.stack:
        y = block(y, ctx, model.pe)
    y = y if model.closing is None else model.closing(y, mask)
    future = torch.ones(9, 9, dtype=torch.bool).triu(1) if causal else None
    z = theirs(x, mask=future, src_key_padding_mask=None if mask is None else ~mask)
    assert (y - z)[real].abs().max() < tolerance
    (y - goal)[real].square().mean().backward()
    (z - goal)[real].square().mean().backward()
    assert len(both) == 24
    for ours, other in both:
        assert (ours.grad - other.grad).abs().max() < tolerance


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_fused_and_explicit_attention_have_the_same_gradients(pe: str, causal: bool, padded: bool) -> None:
    mask = padding([9, 5, 0], 9) if padded else None
    grads = []
    for kernel in ("auto", "explicit"):
        model = stack(pe=pe, causal=causal, kernel=kernel)
        F.cross_entropy(model(tokens(), mask), torch.tensor([0, 1, 2])).backward()
        grads.append({name: p.grad for name, p in model.named_parameters()})
    assert grads[0].keys() == grads[1].keys()
    assert all((g - grads[1][name]).abs().max() < 1e-12 for name, g in grads[0].items())


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("kernel", ["auto", "explicit"])
def test_no_block_lets_the_future_through(pe: str, residual: str, kernel: str) -> None:
    model = stack(pe=pe, residual=residual, kernel=kernel, causal=True, depth=3)
    seen: list[torch.Tensor] = []
    for block in model.stack:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    first = tokens(2)
    for at in (1, 4, 8):
        seen.clear()
        other = first.clone()
        other[:, at:] = other[:, at:] % 29 + 1
        model(first), model(other)
        for before, after in zip(seen[:3], seen[3:], strict=True):
            assert torch.equal(before[:, :at], after[:, :at])
            assert not torch.equal(before[:, at:], after[:, at:])


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_the_tokens_under_the_padding_are_never_read(pe: str, kernel: str, residual: str) -> None:
    model, x, mask = stack(pe=pe, kernel=kernel, residual=residual), tokens(), padding(LENGTHS, 9)
    assert torch.equal(model(x, mask), model(x.masked_fill(~mask, attention.PAD), mask))
    wider = F.pad(x, (0, 6))
    assert (model(x, mask) - model(wider, F.pad(mask, (0, 6)))).abs().max() < 1e-12


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize(
    "changes",
    [
        {"causal": True, "norm": "rms"},
        {"residual": "post", "kernel": "explicit"},
        {"residual": "none", "ff": 0.0},
        {"residual": "post", "norm": "rms", "ff": 0.0, "causal": True},
    ],
    ids=str,
)
def test_gradients_equal_central_differences_in_every_kind_of_stack(pe: str, changes: dict[str, object]) -> None:
    model, x, mask, target = stack(pe=pe, **changes), tokens(2, 5), padding([5, 3], 5), torch.tensor([0, 2])
    F.cross_entropy(model(x, mask), target).backward()
    draw = torch.Generator().manual_seed(0)
    for name, p in model.named_parameters():
        direction = F.normalize(torch.randn(p.shape, dtype=p.dtype, generator=draw).flatten(), dim=0).view(p.shape)
        losses = []
        with torch.no_grad():
            for step in (1e-5, -2e-5):
                p.add_(direction, alpha=step)
                losses.append(float(F.cross_entropy(model(x, mask), target)))
            p.add_(direction, alpha=1e-5)
        assert abs((losses[0] - losses[1]) / 2e-5 - float((p.grad * direction).sum())) < 1e-6, name


@pytest.mark.parametrize("clip", [0, 3, 40])
@pytest.mark.parametrize("keys,values", [(True, True), (True, False), (False, True)])
def test_the_encodings_flops_equal_pytorchs_counter_at_every_depth(clip: int, keys: bool, values: bool) -> None:
    pe = part("relative", clip=clip, keys=keys, values=values)
    for depth, length in ((1, 1), (3, 7)):
        model = stack(pe=pe, depth=depth, ff=1.5, kernel="explicit").float()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(tokens(1, length))
        closed = cost.flops(config(dim=16, heads=2, ff=1.5, depth=depth), model, length)
        D, F_, E, rows = 16, 24, 8, 2 * clip + 1
        own = (keys + values) * 2 * 2 * length * E * rows  # two heads, each (T, E) by (E, rows)
        by_hand = depth * (8 * length * D**2 + 4 * length**2 * D + 4 * length * D * F_ + own) + 2 * D * 3
        assert closed == counter.get_total_flops() == by_hand


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_every_combination_has_the_parameters_of_its_closed_form(pe: str, residual: str, norm: str, ff: float) -> None:
    D, L, V, C, H, longest = 16, 3, 30, 3, 2, 64
    hidden, gains = int(ff * D), {"layer": 2 * D, "rms": D}[norm]
    table = {"none": 0, "sinusoidal": 0, "learned": longest * D, "relative": L * 2 * 33 * (D // H)}[pe]
    feed = 2 * D * hidden + hidden + D + gains if hidden else 0
    closing = 0 if residual == "post" else gains
    expected = L * (4 * D * D + 4 * D + gains + feed) + closing + V * D + table + D * C + C
    assert cost.count(stack(pe=pe, residual=residual, norm=norm, ff=ff, depth=L)) == (expected, V * D + table)


def test_another_seed_draws_every_random_tensor_anew_and_the_same_seed_the_same() -> None:
    for pe in PES:
        one, again, two = (stack(seed=seed, pe=pe).state_dict() for seed in (0, 0, 1))
        assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
        same = {name for name, tensor in one.items() if torch.equal(tensor, two[name])}
        assert all("norm" in name or "closing" in name for name in same), same


def test_no_two_tensors_of_one_shape_are_drawn_alike() -> None:
    maps = [weight for _, _, weight, _ in stack(depth=4).maps()]
    for i, one in enumerate(maps):
        assert not any(one.shape == other.shape and torch.equal(one, other) for other in maps[:i])
    tables = [block.own for block in stack(pe="relative", depth=3).stack]
    drawn = [t for own in tables for t in (own.key, own.value)]
    assert not any(torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_every_parameter_gets_a_gradient(pe: str, residual: str, ff: float) -> None:
    model = stack(pe=pe, residual=residual, ff=ff)
    F.cross_entropy(model(tokens(), padding(LENGTHS, 9)), torch.tensor([0, 1, 2])).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_no_mask_is_the_same_as_a_mask_of_real_tokens() -> None:
    for pe in PES:
        model = stack(pe=pe)
        assert (model(tokens()) - model(tokens(), torch.ones(3, 9, dtype=torch.bool))).abs().max() < 1e-12


# ---- dropout


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dropouts_rate_and_mean_are_exact_to_sampling_error(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(5)
    n, drop = 800_003, dropout.Dropout(p)
    y = drop(torch.ones(n, dtype=dtype))
    share = float((y == 0).double().mean())
    rate = round(p * 65536) / 65536
    assert abs(rate - p) <= 0.5 / 65536
    assert abs(share - rate) < 5 * math.sqrt(rate * (1 - rate) / n)
    assert abs(float(y.double().mean()) - 1) < 5 * math.sqrt(rate / (1 - rate) / n)
    assert y.dtype == dtype and y.unique().numel() == 2


def test_dropout_decides_on_each_element_alone_though_four_share_a_draw() -> None:
    torch.manual_seed(6)
    n, p = 400_000, 0.25
    kept = (dropout.Dropout(p)(torch.ones(n)) > 0).double().view(-1, 4)
    assert (kept.mean(0) - (1 - p)).abs().max() < 5 * math.sqrt(p * (1 - p) / (n / 4))
    correlation = torch.corrcoef(kept.T) - torch.eye(4, dtype=torch.float64)
    assert correlation.abs().max() < 5 / math.sqrt(n / 4)
    flat = kept.flatten() - kept.mean()
    for lag in (1, 2, 3, 4, 5):
        assert abs(float((flat[lag:] * flat[:-lag]).mean())) < 5 * p * (1 - p) / math.sqrt(n)


def test_dropout_takes_any_shape_and_stride_and_leaves_its_input_alone() -> None:
    x = torch.randn(5, 3, 7, requires_grad=True)
    turned = x.transpose(0, 2)
    torch.manual_seed(1)
    y = dropout.Dropout(0.4)(turned)
    scale = 65536 / (65536 - round(0.4 * 65536))
    assert y.shape == turned.shape
    kept = y != 0
    assert 0 < int(kept.sum()) < kept.numel() and torch.allclose(y[kept], turned[kept] * scale)
    y.sum().backward()
    assert torch.allclose(x.grad.transpose(0, 2), kept * scale)


def test_dropout_of_0_and_dropout_in_eval_are_the_identity_and_draw_nothing() -> None:
    x, state = torch.randn(9), torch.get_rng_state()
    assert torch.equal(dropout.Dropout(0.0).train()(x), x)
    assert torch.equal(dropout.Dropout(0.7).eval()(x), x)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("p", [0.9999, 0.999995, math.nextafter(1, 0)])
def test_every_dropout_below_1_can_be_asked_for(p: float) -> None:
    torch.manual_seed(0)
    assert dropout.Dropout(p)(torch.ones(1000)).isfinite().all()


def test_the_stack_drops_on_the_embedding_and_on_every_branch_and_only_in_training() -> None:
    model, seen = stack(dropout=0.5, depth=2), []
    for module in model.modules():
        if isinstance(module, dropout.Dropout):
            module.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape))
    assert torch.equal(model(tokens()), model(tokens()))
    seen.clear()
    model.train()
    torch.manual_seed(0)
    first = model(tokens())
    assert seen == [(3, 9, 16)] * 5  # the embedding, and two branches in each of two blocks
    torch.manual_seed(0)
    assert torch.equal(model(tokens()), first)
    torch.manual_seed(1)
    assert not torch.equal(model(tokens()), first)
