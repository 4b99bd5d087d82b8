"""Building a stack: its initial weights, its one position encoding, and shared layers."""

import math
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F

from stackcli.common import registry
from stackcli.diagnostics import layer_statistics
from stackcli.model import build
from stackcli.model.batch import Batch
from stackcli.norm import batch as batch_norm
from stackcli.pe.base import Context, PositionEncoding
from stackcli.pe.relative import Relative
from tests.factory import config, padding, part, stack, tokens
from tests.model.examples import KERNELS, PES, check_resumes, copies, feed_of, gradient, training

LENGTHS = [9, 5, 2]


# ---- draws


def test_layer_1_starts_the_same_at_every_depth() -> None:
    for pe in PES:
        shallow, deep = stack(depth=1, pe=pe).state_dict(), stack(depth=16, pe=pe).state_dict()
        shared = [k for k in shallow if k.startswith(("blocks.0", "embedding", "pe.", "head"))]
        assert len(shared) > 10 and all(torch.equal(shallow[k], deep[k]) for k in shared)


def test_other_seeds_and_other_layers_start_from_other_weights() -> None:
    one, two = stack(seed=0), stack(seed=1)
    assert not torch.equal(one.embedding.weight, two.embedding.weight)
    assert not torch.equal(one.stack[0].attention.qkv.weight, one.stack[1].attention.qkv.weight)


def test_another_seed_changes_every_random_tensor_and_the_same_seed_none() -> None:
    for pe in PES:
        one, again, two = (stack(seed=seed, pe=pe).state_dict() for seed in (0, 0, 1))
        assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
        same = {name for name, tensor in one.items() if torch.equal(tensor, two[name])}
        assert all("norm" in name or "closing" in name for name in same), same


def test_no_two_tensors_of_the_same_shape_start_equal() -> None:
    maps = [weight for _, _, weight, _ in stack(depth=4).maps()]
    for i, one in enumerate(maps):
        assert not any(one.shape == other.shape and torch.equal(one, other) for other in maps[:i])
    tables = [block.own for block in stack(pe="relative", depth=3).stack]
    drawn = [table for own in tables if own is not None for _, _, table in own.tables()]
    assert len(drawn) == 6  # keys and values of three blocks
    assert not any(torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_a_part_with_its_own_keys_is_built_with_them() -> None:
    own = stack(pe=part("relative", clip=3, keys=True, values=False)).stack[0].own
    assert isinstance(own, Relative) and own.key is not None and own.key.shape == (7, 8) and own.value is None


def test_the_probability_of_layer_drop_rises_linearly_to_the_last_block() -> None:
    model = stack(depth=5, layer_drop=0.4)
    assert [block.skip.p for block in model.stack] == pytest.approx([0.4 * layer / 5 for layer in range(1, 6)])


def test_an_encoding_wider_than_the_stack_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pe\.dim=32 is more than dim=16"):
        build.build_encoding(config(dim=16, heads=2, pe=part("learned", dim=32)), 8)


def test_positions_count_from_0_unless_the_encoding_draws_them() -> None:
    assert build.drawn_from(config(pe=part("learned", randomised=True, range=100))) == 100
    assert build.drawn_from(config(pe=part("learned", randomised=False, range=100))) == 0


def test_the_variance_of_a_batch_leaves_out_padding() -> None:
    x = torch.tensor([[[1.0, 3.0], [1.0, 3.0]], [[1.0, 3.0], [50.0, 90.0]]])
    mask = torch.tensor([[True, True], [True, False]])
    assert build.variance(x, mask) == 1.0  # half of the numbers are 1 and half are 3
    assert build.variance(x[:1], None) == 1.0


# ---- exactly one encoding is active


NAMES = [name for name in registry.part_names("pe") if registry.built_in("pe", name)]


HOOKS = ("embed", "rotate", "bias", "mix")


FORMS = {
    "structural": [{"form": "absolute"}, {"form": "relative"}],
    "relative": [{"layers": "own"}, {"layers": "shared"}],
}


TREE = torch.arange(9).sub(1).clamp(min=0).expand(3, 9)


def active(pe: PositionEncoding, x: torch.Tensor) -> set[str]:
    """The hooks that change anything."""
    ctx = Context(torch.arange(9), tree=TREE)
    q, k = torch.randn(2, 3, 2, 9, 8, dtype=torch.float64)
    weights = torch.randn(3, 2, 9, 9, dtype=torch.float64).softmax(-1)
    turned = pe.rotate(q, k, ctx)
    changed = {
        "embed": not torch.equal(pe.embed(x, ctx), x),
        "rotate": not (torch.equal(turned[0], q) and torch.equal(turned[1], k)),
        "bias": pe.bias(q, k, ctx) is not None,
        "mix": pe.mix(weights, ctx) is not None,
    }
    return {hook for hook, does in changed.items() if does}


@pytest.mark.parametrize("name", NAMES)
def test_only_the_chosen_encoding_is_active(name: str) -> None:
    for keys in FORMS.get(name, [{}]):
        model = stack(pe=part(name, **keys), depth=3)
        found = [m for m in model.modules() if isinstance(m, PositionEncoding)]
        x = torch.randn(3, 9, 16, dtype=torch.float64)
        live = [m for m in found if active(m, x)]
        kind = registry.load_part("pe", name)
        assert all(type(m) is kind for m in live)
        if name == "none":
            assert live == []
            continue
        own = [block.own for block in model.stack if block.own is not None]
        assert live == (own if own else [model.pe]) and len(own) in (0, 3)
        assert len({frozenset(active(m, x)) for m in live}) == 1  # the same hooks in every layer
        if own:
            assert type(model.pe) is PositionEncoding and active(model.pe, x) == set()


@pytest.mark.parametrize("name", NAMES)
def test_position_information_enters_through_the_four_hooks_alone(name: str) -> None:
    """With the hooks switched off, a stack with the encoding equals a stack without one."""
    model, bare = stack(pe=name), stack(pe="none")
    for module in model.modules():
        if isinstance(module, PositionEncoding):
            for hook in (*HOOKS, "add_bias"):
                setattr(module, hook, getattr(PositionEncoding(dim=16, heads=2, max_len=64), hook))
    explicit = {block.attention for block in (*model.stack, *bare.stack)}
    for attention in explicit:
        attention.explicit = True
    assert float((model(tokens(), tree=TREE) - bare(tokens())).detach().abs().max()) < 1e-12


# ---- shared layers


@pytest.mark.parametrize("pe", ["none", "learned", "relative", "rope"])
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
def test_a_stack_of_shared_layers_is_the_block_of_a_stack_of_depth_1_applied_several_times(
    pe: str, residual: str
) -> None:
    shared, single = (stack(pe=pe, residual=residual, depth=d, share_layers=d > 1) for d in (4, 1))
    ctx, only = Context(torch.arange(9), padding(LENGTHS, 9)), single.stack[0]
    x = single.pe.embed(single.embedding(tokens()), ctx)
    for _ in range(4):
        x = only(x, ctx, single.pe)
    x = single.closing(x) if single.closing is not None else x
    expected = torch.stack([x[i, :n].mean(0) for i, n in enumerate(LENGTHS)]) @ single.head.weight.T + single.head.bias
    assert (shared(tokens(), ctx.mask) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_gradient_of_a_shared_layer_is_the_sum_over_its_applications(kernel: str) -> None:
    changes: dict[str, Any] = {"depth": 3, "pe": "relative", "kernel": kernel}
    shared = stack(share_layers=True, **changes)
    apart, target = copies(shared, **changes), torch.tensor([0, 1, 2])
    for model in (shared, apart):
        torch.autograd.backward(F.cross_entropy(model(tokens(), padding(LENGTHS, 9)), target))
    parameters = [dict(block.named_parameters()) for block in apart.stack]
    for name, p in shared.stack[0].named_parameters():
        each = [gradient(block[name]) for block in parameters]
        assert (gradient(p) - torch.stack(each).sum(0)).abs().max() < 1e-12, name
        assert each[0].any() and each[2].any()
    assert (gradient(shared.embedding.weight) - gradient(apart.embedding.weight)).abs().max() < 1e-12


def test_layer_statistics_give_every_application_of_a_shared_layer_its_own_part_of_the_gradient() -> None:
    shared = stack(share_layers=True, depth=3)
    batch = Batch(tokens(), torch.tensor([0, 1, 2]), padding(LENGTHS, 9))
    rows = [layer_statistics.look(model, batch, step=0, updates={}) for model in (shared, copies(shared, depth=3))]
    assert {row.layer for row in rows[0]} == {1, 2, 3} and len(rows[0]) == len(rows[1]) == 3 * (6 + 1 + 2)
    for ours, theirs in zip(*rows, strict=True):
        for field in ("g1", "g2", "g3", "g4", "align", "ratio_qv", "cosine", "rank", "signal", "entropy"):
            a, b = getattr(ours, field), getattr(theirs, field)
            assert a == b or math.isclose(a, b, rel_tol=1e-9), (ours.layer, ours.tensor, field)
    assert layer_statistics.ratios(rows[0])["grad_ratio_init"] != 1.0


def test_a_training_with_shared_layers_resumes_bit_for_bit_and_its_layers_stay_shared() -> None:
    run = check_resumes(share_layers=True, norm="batch", pe="relative")
    first, *others = run.model.stack
    for other in others:
        assert all(p is q for p, q in zip(first.parameters(), other.parameters(), strict=True))
    start = training(share_layers=True, norm="batch", pe="relative").model
    assert not torch.equal(feed_of(start.stack[0]).ff1.weight, feed_of(first).ff1.weight)
    assert {row.layer for row in run.layers} == {1, 2, 3} and run.curve[-1].train_loss < run.curve[0].train_loss


def test_a_training_step_moves_a_shared_layer_once_by_the_summed_gradient() -> None:
    run = training(share_layers=True, dropout=0.0, clip=0.0, weight_decay=0.0, label_smoothing=0.0, warmup=0.0)
    weight = feed_of(run.model.stack[0]).ff2.weight
    before, batch = weight.detach().clone(), run._batch(0)
    loss = F.cross_entropy(run.model(batch.tokens, batch.mask), batch.labels)
    grad = torch.autograd.grad(loss, weight)[0]
    run.advance()
    first = run.config.lr * grad / (grad.abs() + 1e-8)  # Adam's first step
    assert (before - weight.detach() - first).abs().max() < 1e-4 * run.config.lr + 1e-6


@pytest.mark.parametrize("residual", registry.part_names("residual"))
def test_norms_and_the_parameters_of_a_residual_scheme_are_shared_too(residual: str) -> None:
    norm = registry.needed_parts("residual", residual).get("norm", "layer")
    model = stack(residual=residual, norm=norm, depth=3, share_layers=True)
    named = [dict(block.named_parameters(remove_duplicate=False)) for block in model.stack]
    assert all(named[0].keys() == other.keys() for other in named)
    assert all(p is other[name] for name, p in named[0].items() for other in named[1:])
    assert norm == "none" or "join.norm.weight" in named[0]


def test_each_application_of_a_shared_layer_has_running_statistics_of_its_own() -> None:
    model = stack(norm="batch", depth=3, share_layers=True).train()
    norms = [cast(batch_norm.Batch, block.join.norm) for block in model.stack]
    assert norms[0].weight is norms[2].weight
    model(tokens())
    means = [norm.running_mean for norm in norms]
    assert not torch.equal(means[0], means[1]) and not torch.equal(means[1], means[2])
    seen = []
    norms[2].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    before = means[2].clone()
    model(tokens(seed=1))
    assert (means[2] - (0.9 * before + 0.1 * seen[0].flatten(0, 1).mean(0))).abs().max() < 1e-12


def test_the_shared_layer_starts_as_layer_1_of_any_stack() -> None:
    one, shared = (stack(depth=d, share_layers=d > 1).state_dict() for d in (1, 5))
    assert all(torch.equal(tensor, shared[name]) for name, tensor in one.items())
