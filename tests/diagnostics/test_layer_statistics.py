"""What is read off a model, against plain loops; and that reading changes nothing."""

import math

import pytest
import torch
import torch.nn.functional as F

from stackcli.common.records import LayerRow
from stackcli.diagnostics import layer_statistics
from stackcli.model.batch import Batch
from tests.factory import padding, stack, tokens

LENGTHS = [9, 5, 2]


def batch() -> Batch:
    return Batch(tokens(), torch.tensor([0, 1, 2]), padding(LENGTHS, 9))


def rows(model: torch.nn.Module) -> dict[tuple[int, str], LayerRow]:
    return {(r.layer, r.tensor): r for r in layer_statistics.look(model, batch(), step=0, updates={})}  # type: ignore[arg-type]


@pytest.mark.parametrize("pe", ["learned", "relative"])
def test_g1_and_g2_are_the_norm_of_the_plain_gradient(pe: str) -> None:
    model = stack(pe=pe)
    found = rows(model)
    b = batch()
    F.cross_entropy(model(b.tokens, b.mask), b.labels).backward()
    for layer, block in enumerate(model.stack, start=1):
        grads = dict(zip("qkv", block.attention.qkv.weight.grad.chunk(3), strict=True))
        grads |= {
            "o": block.attention.out.weight.grad,
            "ff1": block.feed.ff1.weight.grad,
            "ff2": block.feed.ff2.weight.grad,
        }
        for role, grad in grads.items():
            row = found[layer, role]
            assert math.isclose(row.g1, float(grad.norm()), rel_tol=1e-9)
            assert math.isclose(row.g2, float(grad.norm()) / math.sqrt(grad.numel()), rel_tol=1e-9)
            assert math.isclose(row.align, row.g1 / row.g3, rel_tol=1e-12)


def test_g3_is_the_sum_over_tokens_and_equals_g1_for_one_token() -> None:
    draw = torch.Generator().manual_seed(0)
    delta = torch.randn(2, 4, 3, dtype=torch.float64, generator=draw)
    a = torch.randn(2, 4, 5, dtype=torch.float64, generator=draw)
    total = sum(float(delta[b, t].norm() ** 2 * a[b, t].norm() ** 2) for b in range(2) for t in range(4))
    assert math.isclose(layer_statistics.alignment_free(delta, a), math.sqrt(total), rel_tol=1e-12)
    one = torch.outer(delta[0, 0], a[0, 0]).norm()
    assert math.isclose(layer_statistics.alignment_free(delta[:1, :1], a[:1, :1]), float(one), rel_tol=1e-12)


def test_the_gradient_is_the_slope_of_the_loss_along_itself() -> None:
    model, b = stack(), batch()
    parameters = [p for p in model.parameters() if p.requires_grad]

    def loss() -> torch.Tensor:
        return F.cross_entropy(model(b.tokens, b.mask), b.labels)

    grads = torch.autograd.grad(loss(), parameters)
    norm = math.sqrt(sum(float(g.square().sum()) for g in grads))
    with torch.no_grad():
        values = []
        for step in (1e-5, -2e-5):
            for p, g in zip(parameters, grads, strict=True):
                p.add_(g, alpha=step / norm)
            values.append(float(loss()))
    assert abs((values[0] - values[1]) / 2e-5 - norm) < 1e-7


def test_cosine_rank_and_entropy_equal_plain_loops_over_real_tokens() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(3, 9, 4, dtype=torch.float64, generator=draw)
    weights = torch.rand(3, 2, 9, 9, dtype=torch.float64, generator=draw).softmax(-1)
    real = padding(LENGTHS, 9)
    cosines, ranks, entropies = [], [], [[], []]  # type: ignore[var-annotated]
    for i, n in enumerate(LENGTHS):
        pairs = [F.cosine_similarity(x[i, s], x[i, t], dim=0) for s in range(n) for t in range(n) if s != t]
        cosines.append(float(sum(pairs)) / len(pairs))
        ranks.append(float((x[i, :n] - x[i, :n].mean(0)).norm() / x[i, :n].norm()))
        for h in range(2):
            entropies[h] += [-float((w * w.log()).sum()) for w in weights[i, h, :n]]
    assert math.isclose(layer_statistics.token_cosine(x, real), sum(cosines) / 3, rel_tol=1e-12)
    assert math.isclose(layer_statistics.rank_residual(x, real), sum(ranks) / 3, rel_tol=1e-12)
    for h, found in enumerate(layer_statistics.head_entropy(weights, real).tolist()):
        assert math.isclose(found, sum(entropies[h]) / len(entropies[h]), rel_tol=1e-12)


def test_equal_tokens_have_cosine_1_and_rank_0() -> None:
    x, real = torch.ones(1, 4, 3, dtype=torch.float64), torch.ones(1, 4, dtype=torch.bool)
    assert math.isclose(layer_statistics.token_cosine(x, real), 1.0) and layer_statistics.rank_residual(x, real) == 0.0
    assert layer_statistics.token_cosine(x[:, :1], real[:, :1]) is None


def test_looking_changes_nothing() -> None:
    model = stack(dropout=0.5).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.random.get_rng_state()
    layer_statistics.look(model, batch(), step=0, updates={})
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in before.items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert model.training and model.kernel == "fused"
    assert all(p.grad is None for p in model.parameters())
    assert "weights" not in vars(model.stack[0].attention)


def test_the_update_is_that_of_the_optimiser_without_its_decay() -> None:
    from stackcli.training.optimizer import optimizer
    from tests.factory import config

    lr, decay = 0.01, 0.3
    model = stack()
    adam = optimizer(model, config(lr=lr, weight_decay=decay))
    b = batch()
    F.cross_entropy(model(b.tokens, b.mask), b.labels).backward()
    old = layer_statistics.weights(model)
    grad = model.stack[0].attention.out.weight.grad.clone()
    adam.step()
    found = layer_statistics.updates(model, old, decay=lr * decay)
    first = lr * grad / (grad.abs() + 1e-8)  # Adam's first step: its moments, bias-corrected, are the gradient itself
    assert math.isclose(found[1, "o"][0], float(first.norm() / old[1, "o"].norm()), rel_tol=1e-6)
    assert found[1, "o"][1] == lr * decay


def test_ratios_are_block_1_over_block_l_at_the_first_and_the_last_look() -> None:
    def row(step: int, layer: int, g1: float) -> LayerRow:
        return LayerRow(step=step, layer=layer, tensor="ff2", g1=g1, g3=g1 * layer)

    found = layer_statistics.ratios([row(0, 1, 2.0), row(0, 2, 4.0), row(9, 2, 1.0), row(9, 1, 3.0)])
    assert found == {"grad_ratio_init": 0.5, "free_ratio_init": 0.25, "grad_ratio_end": 3.0, "free_ratio_end": 1.5}


def test_looks_are_log_spaced_and_end_with_the_last_step() -> None:
    assert sorted(layer_statistics.schedule(100)) == [0, 1, 4, 16, 64, 100]


@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_for_one_token_g3_is_g1_in_every_map(ff: float) -> None:
    one = Batch(tokens(1, 1), torch.tensor([1]), None)
    for row in layer_statistics.look(stack(ff=ff), one, step=0, updates={}):
        if row.g3 is not None and row.g3 > 1e-12:
            assert math.isclose(row.g1, row.g3, rel_tol=1e-9)


def test_looking_keeps_gradients_eval_mode_and_an_explicit_kernel() -> None:
    model, b = stack(kernel="explicit"), batch()
    F.cross_entropy(model(b.tokens, b.mask), b.labels).backward()
    before = {name: p.grad.clone() for name, p in model.named_parameters()}
    layer_statistics.look(model, b, step=0, updates={})
    assert not model.training and model.kernel == "explicit"
    assert all(torch.equal(p.grad, before[name]) for name, p in model.named_parameters())


def test_a_small_gradient_does_not_vanish_in_its_squares() -> None:
    delta, a = torch.full((2, 3, 4), 1e-30), torch.ones(2, 3, 5)
    found = layer_statistics.alignment_free(delta, a)
    assert math.isclose(found, 1e-30 * math.sqrt(2 * 3 * 4 * 5), rel_tol=1e-5)
    assert layer_statistics.alignment_free(torch.zeros(1, 2, 3), torch.ones(1, 2, 3)) == 0.0
