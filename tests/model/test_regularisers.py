"""Attention dropout, layer drop, one layer applied again: by their formulas, and absent from evaluation."""

import io
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.attention.full import Full
from stackcli.common import registry
from stackcli.diagnostics import layer_statistics
from stackcli.model import attention as attention_module
from stackcli.model import build, cost, dropout
from stackcli.model import stack as core
from stackcli.model.batch import Batch
from stackcli.pe.base import Context, PositionEncoding
from stackcli.training.loop import Training, weights_hash
from tests.factory import config, padding, stack, tiny, tokens

LENGTHS = [9, 5, 2]
KERNELS = ("auto", "explicit")


def training(**changes: Any) -> Training:
    small = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 8, "epochs": 2, "depth": 3}
    c, data = config(**{**small, **changes}), tiny()
    return Training(build.build(c, **data.sizes), data, c, layer_statistics)


def finish(run: Training) -> list[str]:
    losses = []
    while not run.finished:
        run.advance()
        losses.append(run.loss.hex())
    return losses


def check_resumes(**changes: Any) -> Training:
    """A training stopped at step 7 and restored from a file goes on bit for bit; the whole one."""
    whole, first = training(**changes), training(**changes)
    losses = finish(whole)
    for _ in range(7):
        first.advance()
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    torch.manual_seed(999)
    second = training(**changes)
    second.restore(torch.load(buffer, weights_only=True))
    assert finish(second) == losses[7:] and len(losses) == 20
    assert weights_hash(second.model) == weights_hash(whole.model) and second.result() == whole.result()
    return whole


# ---- attention dropout


def shows_weights(p: float, kernel: str) -> attention_module.Attention:
    """One head over 4 tokens of width 4 whose output is its attention weights, if the tokens are the unit vectors."""
    attention = attention_module.Attention(
        dim=4, heads=1, causal=False, pattern=Full(), dropout=p, explicit=kernel == "explicit"
    ).double()
    torch.manual_seed(3)
    with torch.no_grad():
        attention.qkv.weight.normal_(), attention.qkv.bias.zero_(), attention.out.bias.zero_()
        attention.qkv.weight[8:] = torch.eye(4)
        attention.out.weight.copy_(torch.eye(4))
    return attention


def weights(attention: attention_module.Attention, copies: int) -> Tensor:
    x = torch.eye(4, dtype=torch.float64).expand(copies, 4, 4)
    with torch.no_grad():
        out: Tensor = attention(x, Context(torch.arange(4)), PositionEncoding(dim=4, heads=1, max_len=4))
    return out


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("p", [0.25, 0.7])
def test_each_attention_weight_is_dropped_alone_and_the_kept_are_scaled(p: float, kernel: str) -> None:
    n, attention = 20_000, shows_weights(p, kernel)
    whole = weights(attention.eval(), 1)
    assert (whole.sum(-1) - 1).abs().max() < 1e-12
    torch.manual_seed(0)
    found = weights(attention.train(), n)
    kept = found != 0
    rounded = round(p * 65536) / 65536 if kernel == "explicit" else p
    assert (found - kept * whole / (1 - rounded)).abs().max() < 1e-12
    five = 5 * math.sqrt(p * (1 - p) / n)
    assert (kept.double().mean(0) - (1 - p)).abs().max() < five
    flat = kept.double().flatten(1)
    assert (torch.corrcoef(flat.T) - torch.eye(16)).abs().max() < 5 / math.sqrt(n)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_mean_over_draws_is_the_output_without_dropout(kernel: str) -> None:
    n, p, draw = 20_000, 0.3, torch.Generator().manual_seed(1)
    torch.manual_seed(2)
    attention = attention_module.Attention(
        dim=8, heads=2, causal=True, pattern=Full(), dropout=p, explicit=kernel == "explicit"
    )
    x = torch.randn(1, 5, 8, generator=draw).expand(n, 5, 8)
    ctx, pe = Context(torch.arange(5), causal=True), PositionEncoding(dim=8, heads=2, max_len=5)
    with torch.no_grad():
        whole, dropped = attention.eval()(x[:1], ctx, pe)[0], attention.train()(x, ctx, pe)
    error = dropped.double().std(0) / math.sqrt(n)
    assert error.min() > 0
    assert ((dropped.double().mean(0) - whole).abs() / error).max() < 5


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("pe", ["none", "alibi", "relative"])
def test_attention_dropout_is_in_training_alone_and_a_function_of_the_generator(pe: str, kernel: str) -> None:
    model, plain = (stack(pe=pe, kernel=kernel, attention_dropout=p) for p in (0.4, 0.0))
    mask, state = padding(LENGTHS, 9), torch.get_rng_state()
    assert torch.equal(model(tokens(), mask), plain(tokens(), mask))
    assert torch.equal(torch.get_rng_state(), state)
    said = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        said.append(model.train()(tokens(), mask))
    assert torch.equal(said[0], said[1]) and not torch.equal(said[0], said[2]) and said[2].isfinite().all()
    assert torch.equal(plain.train()(tokens(), mask), plain.eval()(tokens(), mask))


def test_a_training_with_attention_dropout_and_layer_drop_resumes_bit_for_bit() -> None:
    check_resumes(attention_dropout=0.2, layer_drop=0.3)


# ---- layer drop


def test_the_probability_rises_linearly_to_the_last_blocks() -> None:
    model = stack(depth=5, layer_drop=0.4)
    assert [block.skip.p for block in model.stack] == pytest.approx([0.4 * layer / 5 for layer in range(1, 6)])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_sequence_goes_without_the_whole_branch_or_has_it_scaled(p: float) -> None:
    n, drop = 20_000, dropout.LayerDrop(p).train()
    torch.manual_seed(0)
    y = drop(torch.ones(n, 3, 2, dtype=torch.float64)).flatten(1)
    assert torch.equal(y, y[:, :1].expand(n, 6))
    assert {0.0, 1 / (1 - p)} == set(y[:, 0].unique().tolist())
    assert abs(float((y[:, 0] == 0).double().mean()) - p) < 5 * math.sqrt(p * (1 - p) / n)
    assert torch.equal(drop.eval()(y), y)


def test_a_block_drops_its_two_branches_apart_and_its_mean_is_exact() -> None:
    p, n = 0.3, 4000
    model = stack(depth=1, layer_drop=p, pe="none", norm="none")
    block, ctx = model.stack[0], Context(torch.arange(2))
    x = torch.randn(1, 2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        attended = block.attention(x, ctx, model.pe)
        after = {a: x + a * attended / (1 - p) for a in (0, 1)}
        cases = {(a, f): after[a] + f * block.feed(after[a]) / (1 - p) for a in (0, 1) for f in (0, 1)}
        torch.manual_seed(0)
        y = block.train()(x.expand(n, 2, 16), ctx, model.pe)
        assert torch.equal(block.eval()(x, ctx, model.pe), x + attended + block.feed(x + attended))
    seen = 0
    for (a, f), expected in cases.items():
        share = (1 - p if a else p) * (1 - p if f else p)
        hits = int(((y - expected).abs().amax((1, 2)) < 1e-12).sum())
        assert abs(hits / n - share) < 5 * math.sqrt(share * (1 - share) / n), (a, f)
        seen += hits
    assert seen == n
    mean = sum((1 - p if a else p) * after[a] for a in (0, 1))
    assert (mean - (x + attended)).abs().max() < 1e-12


@pytest.mark.parametrize("residual", ["pre", "post"])
def test_evaluation_with_layer_drop_is_evaluation_without_it(residual: str) -> None:
    model, plain = (stack(residual=residual, depth=3, layer_drop=p) for p in (0.8, 0.0))
    state = torch.get_rng_state()
    assert torch.equal(model(tokens()), plain(tokens())) and torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(0)
    assert not torch.equal(model.train()(tokens()), plain.train()(tokens()))


def test_layer_drop_is_refused_where_nothing_goes_past_a_branch() -> None:
    with pytest.raises(ValueError, match="layer_drop needs a skip connection: residual=none"):
        build.try_parts(config(residual="none", layer_drop=0.1))
    build.try_parts(config(residual="none", layer_drop=0.0))
    build.try_parts(config(residual="pre", layer_drop=0.1))


# ---- one layer applied again


@pytest.mark.parametrize("pe", ["none", "learned", "relative", "rope"])
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
def test_a_shared_stack_is_the_one_block_of_a_stack_of_depth_1_applied_again_and_again(pe: str, residual: str) -> None:
    shared, single = (stack(pe=pe, residual=residual, depth=d, share_layers=d > 1) for d in (4, 1))
    ctx, only = Context(torch.arange(9), padding(LENGTHS, 9)), single.stack[0]
    x = single.pe.embed(single.embedding(tokens()), ctx)
    for _ in range(4):
        x = only(x, ctx, single.pe)
    x = single.closing(x) if single.closing is not None else x
    expected = torch.stack([x[i, :n].mean(0) for i, n in enumerate(LENGTHS)]) @ single.head.weight.T + single.head.bias
    assert (shared(tokens(), ctx.mask) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("pe", ["learned", "relative"])
def test_its_parameters_are_those_of_one_layer_and_its_work_that_of_all(pe: str) -> None:
    one = cost.count(stack(pe=pe, depth=1))
    for depth in (1, 2, 7):
        shared = stack(pe=pe, depth=depth, share_layers=True)
        assert cost.count(shared) == one
        c = config(dim=16, heads=2, ff=2.0, depth=depth)
        assert cost.flops(c, shared, 9) == cost.flops(c, stack(pe=pe, depth=depth), 9)


def copies(shared: core.StackedAttention, **changes: Any) -> core.StackedAttention:
    """A stack whose layers have weights of their own, equal to the shared ones."""
    model = stack(**changes)
    model.load_state_dict(shared.state_dict())
    return model


@pytest.mark.parametrize("kernel", KERNELS)
def test_its_gradient_is_the_sum_over_the_applications(kernel: str) -> None:
    changes: dict[str, Any] = {"depth": 3, "pe": "relative", "kernel": kernel}
    shared = stack(share_layers=True, **changes)
    apart, target = copies(shared, **changes), torch.tensor([0, 1, 2])
    for model in (shared, apart):
        F.cross_entropy(model(tokens(), padding(LENGTHS, 9)), target).backward()
    parameters = [dict(block.named_parameters()) for block in apart.stack]
    for name, p in shared.stack[0].named_parameters():
        assert (p.grad - sum(block[name].grad for block in parameters)).abs().max() < 1e-12, name
        assert parameters[0][name].grad.any() and parameters[2][name].grad.any()
    assert (shared.embedding.weight.grad - apart.embedding.weight.grad).abs().max() < 1e-12


def test_a_probe_has_rows_for_every_layer_each_with_its_own_part_of_the_gradient() -> None:
    shared = stack(share_layers=True, depth=3)
    batch = Batch(tokens(), torch.tensor([0, 1, 2]), padding(LENGTHS, 9))
    rows = [layer_statistics.look(model, batch, step=0, updates={}) for model in (shared, copies(shared, depth=3))]
    assert {row.layer for row in rows[0]} == {1, 2, 3} and len(rows[0]) == len(rows[1]) == 3 * (6 + 1 + 2)
    for ours, theirs in zip(*rows, strict=True):
        for field in ("g1", "g2", "g3", "g4", "align", "ratio_qv", "cosine", "rank", "signal", "entropy"):
            a, b = getattr(ours, field), getattr(theirs, field)
            assert a == b or math.isclose(a, b, rel_tol=1e-9), (ours.layer, ours.tensor, field)
    assert layer_statistics.ratios(rows[0])["grad_ratio_init"] != 1.0


def test_a_shared_training_resumes_bit_for_bit_and_its_layers_stay_one() -> None:
    run = check_resumes(share_layers=True, norm="batch", pe="relative")
    first, *others = run.model.stack
    for other in others:
        assert all(p is q for p, q in zip(first.parameters(), other.parameters(), strict=True))
    start = training(share_layers=True, norm="batch", pe="relative").model
    assert not torch.equal(start.stack[0].feed.ff1.weight, first.feed.ff1.weight)
    assert {row.layer for row in run.layers} == {1, 2, 3} and run.curve[-1].train_loss < run.curve[0].train_loss


def test_a_step_of_a_shared_stack_moves_it_once_by_the_summed_gradient() -> None:
    run = training(share_layers=True, dropout=0.0, clip=0.0, weight_decay=0.0, label_smoothing=0.0, warmup=0.0)
    weight = run.model.stack[0].feed.ff2.weight
    before, batch = weight.detach().clone(), run._batch(0)
    loss = F.cross_entropy(run.model(batch.tokens, batch.mask), batch.labels)
    grad = torch.autograd.grad(loss, weight)[0]
    run.advance()
    first = run.config.lr * grad / (grad.abs() + 1e-8)  # Adam's first step
    assert (before - weight.detach() - first).abs().max() < 1e-4 * run.config.lr + 1e-6


@pytest.mark.parametrize("residual", registry.part_names("residual"))
def test_norms_and_what_a_residual_scheme_learns_are_shared_too(residual: str) -> None:
    norm = registry.needed_parts("residual", residual).get("norm", "layer")
    model = stack(residual=residual, norm=norm, depth=3, share_layers=True)
    named = [dict(block.named_parameters(remove_duplicate=False)) for block in model.stack]
    assert all(named[0].keys() == other.keys() for other in named)
    assert all(p is other[name] for name, p in named[0].items() for other in named[1:])
    assert norm == "none" or "join.norm.weight" in named[0]


def test_running_statistics_are_each_layers_own() -> None:
    model = stack(norm="batch", depth=3, share_layers=True).train()
    norms = [block.join.norm for block in model.stack]
    assert norms[0].weight is norms[2].weight
    model(tokens())
    means = [norm.running_mean for norm in norms]
    assert not torch.equal(means[0], means[1]) and not torch.equal(means[1], means[2])
    seen = []
    norms[2].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    before = means[2].clone()
    model(tokens(seed=1))
    assert (means[2] - (0.9 * before + 0.1 * seen[0].flatten(0, 1).mean(0))).abs().max() < 1e-12


def test_the_shared_layer_is_drawn_as_layer_1_of_any_stack() -> None:
    one, shared = (stack(depth=d, share_layers=d > 1).state_dict() for d in (1, 5))
    assert all(torch.equal(tensor, shared[name]) for name, tensor in one.items())
