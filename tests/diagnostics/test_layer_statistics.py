"""Layer statistics against plain loops; measuring changes nothing."""

import math

import pytest
import torch
import torch.nn.functional as F

from stackcli.common.records import LayerRow
from stackcli.diagnostics import layer_statistics
from stackcli.model.batch import Batch
from stackcli.model.stack import StackedAttention
from tests.factory import config, padding, part, stack, tokens

LENGTHS = [9, 5, 2]


def batch() -> Batch:
    return Batch(tokens(), torch.tensor([0, 1, 2]), padding(LENGTHS, 9))


def rows(model: StackedAttention) -> dict[tuple[int, str], LayerRow]:
    return {(r.layer, r.tensor): r for r in layer_statistics.look(model, batch(), step=0, updates={})}


def gradients(model: StackedAttention, batch: Batch) -> dict[str, torch.Tensor]:
    """Runs a backward pass and returns the gradient of each parameter by name."""
    F.cross_entropy(model(batch.tokens, batch.mask), batch.labels).backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def close(found: float | None, expected: float, rel: float = 1e-12) -> bool:
    return found is not None and math.isclose(found, expected, rel_tol=rel)


@pytest.mark.parametrize("pe", ["learned", "relative"])
def test_g1_and_g2_are_the_norm_of_the_plain_gradient(pe: str) -> None:
    model = stack(pe=pe)
    found = rows(model)
    plain = gradients(model, batch())
    for layer in range(1, len(model.stack) + 1):
        attention, feed = f"blocks.{layer - 1}.attention", f"blocks.{layer - 1}.feed"
        grads = dict(zip("qkv", plain[f"{attention}.qkv.weight"].chunk(3), strict=True))
        grads |= {"o": plain[f"{attention}.out.weight"]}
        grads |= {role: plain[f"{feed}.{role}.weight"] for role in ("ff1", "ff2")}
        for role, grad in grads.items():
            row = found[layer, role]
            assert close(row.g1, float(grad.norm()), 1e-9)
            assert close(row.g2, float(grad.norm()) / math.sqrt(grad.numel()), 1e-9)
            assert row.g1 is not None and row.g3 is not None and close(row.align, row.g1 / row.g3)


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
    cosines, ranks = [], []
    entropies: list[list[float]] = [[], []]
    for i, n in enumerate(LENGTHS):
        pairs = [F.cosine_similarity(x[i, s], x[i, t], dim=0) for s in range(n) for t in range(n) if s != t]
        cosines.append(float(sum(pairs)) / len(pairs))
        ranks.append(float((x[i, :n] - x[i, :n].mean(0)).norm() / x[i, :n].norm()))
        for h in range(2):
            entropies[h] += [-float((w * w.log()).sum()) for w in weights[i, h, :n]]
    assert close(layer_statistics.token_cosine(x, real), sum(cosines) / 3)
    assert close(layer_statistics.rank_residual(x, real), sum(ranks) / 3)
    for h, found in enumerate(layer_statistics.head_entropy(weights, real).tolist()):
        assert math.isclose(found, sum(entropies[h]) / len(entropies[h]), rel_tol=1e-12)


def test_equal_tokens_have_cosine_1_and_rank_0() -> None:
    x, real = torch.ones(1, 4, 3, dtype=torch.float64), torch.ones(1, 4, dtype=torch.bool)
    assert close(layer_statistics.token_cosine(x, real), 1.0) and layer_statistics.rank_residual(x, real) == 0.0
    assert layer_statistics.token_cosine(x[:, :1], real[:, :1]) is None


def test_measuring_changes_nothing() -> None:
    model = stack(dropout=0.5).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.random.get_rng_state()
    layer_statistics.look(model, batch(), step=0, updates={})
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in before.items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert model.training and model.kernel == "fused"
    assert all(p.grad is None for p in model.parameters())
    assert "weights" not in vars(model.stack[0].attention)


def test_the_update_is_the_step_of_adam_without_weight_decay() -> None:
    from stackcli.training.optimizer import optimizer

    lr, decay = 0.01, 0.3
    model = stack()
    adam = optimizer(model, config(lr=lr, weight_decay=decay))
    grad = gradients(model, batch())["blocks.0.attention.out.weight"]
    old = layer_statistics.weights(model)
    adam.step()
    found = layer_statistics.updates(model, old, decay=lr * decay)
    first = lr * grad / (grad.abs() + 1e-8)  # in Adam's first step the bias-corrected moments are g and g^2
    assert math.isclose(
        found[1, "o"][0], float(first.norm() / old["blocks.0.attention.out.weight"].norm()), rel_tol=1e-6
    )
    assert found[1, "o"][1] == lr * decay


def test_ratios_are_block_1_over_block_l_at_the_first_and_the_last_step() -> None:
    def row(step: int, layer: int, g1: float) -> LayerRow:
        return LayerRow(step=step, layer=layer, tensor="ff2", g1=g1, g3=g1 * layer)

    found = layer_statistics.ratios([row(0, 1, 2.0), row(0, 2, 4.0), row(9, 2, 1.0), row(9, 1, 3.0)])
    assert found == {"grad_ratio_init": 0.5, "free_ratio_init": 0.25, "grad_ratio_end": 3.0, "free_ratio_end": 1.5}


def test_the_schedule_is_log_spaced_and_ends_with_the_last_step() -> None:
    assert sorted(layer_statistics.schedule(100)) == [0, 1, 4, 16, 64, 100]


@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_for_one_token_g3_is_g1_in_every_map(ff: float) -> None:
    one = Batch(tokens(1, 1), torch.tensor([1]), None)
    for row in layer_statistics.look(stack(ff=ff), one, step=0, updates={}):
        if row.g3 is not None and row.g3 > 1e-12:
            assert close(row.g1, row.g3, 1e-9)


def test_measuring_keeps_gradients_eval_mode_and_an_explicit_kernel() -> None:
    model, b = stack(kernel="explicit"), batch()
    before = gradients(model, b)
    layer_statistics.look(model, b, step=0, updates={})
    assert not model.training and model.kernel == "explicit"
    for name, p in model.named_parameters():
        assert p.grad is not None and torch.equal(p.grad, before[name])


def test_a_small_gradient_does_not_vanish_in_its_squares() -> None:
    delta, a = torch.full((2, 3, 4), 1e-30), torch.ones(2, 3, 5)
    found = layer_statistics.alignment_free(delta, a)
    assert math.isclose(found, 1e-30 * math.sqrt(2 * 3 * 4 * 5), rel_tol=1e-5)
    assert layer_statistics.alignment_free(torch.zeros(1, 2, 3), torch.ones(1, 2, 3)) == 0.0


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("reach", [0, 2])
@pytest.mark.parametrize("lengths", [[9, 9, 9], [9, 5, 2]])
def test_uniform_attention_has_the_entropy_log_of_the_number_of_keys(
    causal: bool, reach: int, lengths: list[int]
) -> None:
    attention = part("window", reach=reach) if reach else part("full")
    mask = padding(lengths, 9) if min(lengths) < 9 else None
    batch = Batch(tokens(), torch.zeros(3, dtype=torch.long), mask)
    logs = []
    for n in lengths:
        for i in range(n):
            seen = [j for j in range(n) if (not causal or j <= i) and (not reach or abs(i - j) <= reach)]
            logs.append(math.log(len(seen)))
    found = layer_statistics.even_entropy(stack(causal=causal, attention=attention).stack[0].attention, batch)
    assert math.isclose(found, sum(logs) / len(logs), rel_tol=1e-12)


@pytest.mark.parametrize("kind", ["talking", "lowrank"])
def test_weights_that_may_be_negative_have_no_entropy(kind: str) -> None:
    model = stack(attention=kind, pe="none").float()
    batch = Batch(tokens(), torch.zeros(3, dtype=torch.long), padding([9, 5, 1], 9))
    rows = layer_statistics.look(model, batch, step=0, updates={})
    assert rows and not [row for row in rows if row.tensor.startswith("head")]
    assert all(math.isfinite(row.signal) for row in rows if row.signal is not None)


def test_the_entropy_beside_a_sink_is_that_of_the_shares_of_what_it_leaves() -> None:
    batch = Batch(tokens(), torch.zeros(3, dtype=torch.long), None)
    entropies = []
    for kind in (part("sink", start=-60.0), part("sink", start=2.0)):  # of which the first takes nothing
        rows = layer_statistics.look(stack(attention=kind, pe="none", depth=1).float(), batch, step=0, updates={})
        entropies.append([row.entropy for row in rows if row.tensor.startswith("head")])
    assert len(entropies[0]) == 2 and entropies[1] == pytest.approx(entropies[0], abs=1e-5)
