"""Measurements of an untrained stack against those of a training run, plain loops and the papers' formulas."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.diagnostics import initialisation, layer_statistics
from stackcli.model.build import build_for, profile
from stackcli.model.stack import StackedAttention
from stackcli.training import batching
from stackcli.training.loop import Training
from tests.factory import config, part, stack, tiny

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 2.0, "batch": 8, "steps": 1}
CAUSAL = {"causal": True, "data": "lag"}
KINDS: list[dict[str, Any]] = [
    {"depth": 3},
    {"depth": 2, "ff": 0.0, "residual": "post"},
    {"depth": 3, "share_layers": True, "residual": "deepnorm"},
    {"depth": 2, "attention": "window", "pad": "max"},
    {"depth": 2, "residual": "admin"},
    {"depth": 1, **CAUSAL},
    {"depth": 3, **CAUSAL},
]


def task(**keys: Any) -> Loaded:
    """Items of the lag task, which labels every token."""
    source = registry.build_part("data", "lag", **{"train_len": 8, "lags": 7, "longest": 1, "size": 60, **keys})
    return source.load()  # type: ignore[no-any-return]


def data(c: Config) -> Loaded:
    return task() if c.data.name == "lag" else tiny()


def ready(c: Config) -> tuple[StackedAttention, Any]:
    """The stack before the first step, and the probe batch."""
    model, batch = build_for(c, data(c)), initialisation.probe_batch(c, initialisation.keep_probe_rows(data(c)))
    profile(model, batch)
    return model.eval(), batch


@pytest.mark.parametrize("change", KINDS)
def test_layers_are_measured_as_in_a_training_run_at_step_0(change: dict[str, Any]) -> None:
    c = config(**{**SMALL, **change})
    found = initialisation.measure(c, initialisation.keep_probe_rows(data(c)))
    training = Training(build_for(c, data(c)), data(c), c, layer_statistics)
    assert found.layers == training.layers and len(found.layers) >= 7 * c.depth
    assert found.row["finite"]
    ratios = layer_statistics.ratios(training.layers)
    assert found.row["grad_ratio_init"] == ratios["grad_ratio_init"]
    assert found.row["free_ratio_init"] == ratios["free_ratio_init"]


@pytest.mark.parametrize(("ff", "name"), [(2.0, "ff2"), (0.0, "o")])
def test_the_numbers_of_a_stack_are_those_of_its_last_block(ff: float, name: str) -> None:
    c = config(**{**SMALL, "depth": 3, "ff": ff})
    row, layers = initialisation.measure(c, initialisation.keep_probe_rows(tiny()))
    by = {(r.layer, r.tensor): r for r in layers}
    assert (row["grad_last"], row["free_last"]) == (by[3, name].g1, by[3, name].g3)
    assert (row["signal_first"], row["signal_last"]) == (by[1, "block"].signal, by[3, "block"].signal)
    assert (row["cosine"], row["rank"]) == (by[3, "block"].cosine, by[3, "block"].rank)
    model, batch = ready(c)
    even = layer_statistics.even_entropy(model.stack[0].attention, batch)
    assert {r.even for r in layers if r.entropy is not None} == {even}
    means = [sum(by[i, f"head{h}"].entropy for h in range(2)) / 2 / even for i in (1, 2, 3)]  # type: ignore[misc]
    assert math.isclose(row["entropy"], min(means), rel_tol=1e-12) and 0 < row["entropy"] <= 1


# ---- how far sequences and tokens can be told apart


def test_apart_is_the_rank_residual_of_sequences_or_of_tokens() -> None:
    given = torch.tensor([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    captured = initialisation.Captured(given, given, given, given)
    assert math.isclose(captured.apart() or 0, math.sqrt(2 / 14), rel_tol=1e-12)  # mean (2, 0)
    c = config(**{**SMALL, "depth": 2, **CAUSAL})
    row = initialisation.measure(c, initialisation.keep_probe_rows(data(c))).row
    assert row["apart"] == row["rank"]
    model, batch = ready(pooled := config(**{**SMALL, "depth": 2}))
    vectors: list[Tensor] = []
    model.head.register_forward_hook(lambda _, given, __: vectors.append(given[0].detach().double()))
    model(batch.tokens, batch.mask)
    (x,) = vectors
    expected = float((x - x.mean(0)).norm() / x.norm())
    assert math.isclose(
        initialisation.measure(pooled, initialisation.keep_probe_rows(tiny())).row["apart"], expected, rel_tol=1e-4
    )


# ---- the first step


@pytest.mark.parametrize(
    "change", [{"depth": 3, "residual": "post"}, {"depth": 1}, {"depth": 2, "clip": 1e-6, **CAUSAL}]
)
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_first_step_equals_the_formula_of_adamw(change: dict[str, Any], decay: float) -> None:
    """Kingma and Ba 2015, alg. 1: after one step the corrected moments are g and g^2, so that the size of g matters
    only if it is as small as epsilon. Loshchilov and Hutter 2019, eq. 12: a matrix first shrinks by lr * decay."""
    c = config(**{**SMALL, "lr": 0.003, "weight_decay": decay, "warmup": 0.5, **change})
    found = initialisation.measure(c, initialisation.keep_probe_rows(data(c))).row
    model, batch = ready(c)

    def loss() -> tuple[Tensor, Tensor]:
        logits, labels = batching.select_scored(model(batch.tokens, batch.mask), batch.labels)
        return logits, F.cross_entropy(logits, labels)

    before, value = loss()
    value.backward()  # type: ignore[no-untyped-call]
    moved = [p for p in model.parameters() if p.grad is not None]
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in moved if p.grad is not None))
    scale = min(1.0, c.clip / norm)
    with torch.no_grad():
        for p in moved:
            assert p.grad is not None
            g = p.grad * scale
            p.mul_(1 - c.lr * decay if p.dim() >= 2 else 1.0).sub_(c.lr * g / (g.abs() + 1e-8))
    outputs: dict[int, Tensor] = {}
    for i, block in enumerate(model.stack):
        block.register_forward_hook(lambda _, __, out, i=i: outputs.__setitem__(i, out))
    after, value = loss()
    first, last = torch.autograd.grad(value, [outputs[0], outputs[c.depth - 1]])
    change_of = float((after - before).detach().double().square().mean().sqrt())
    assert math.isclose(found["update"], change_of, rel_tol=2e-3)
    assert math.isclose(found["step_ratio"], float(first.norm() / last.norm()), rel_tol=2e-3)


def test_post_ln_loses_its_gradient_after_the_first_step_and_deepnorm_does_not() -> None:
    """Wang et al. 2022, sec. 3 and 4."""
    found = {}
    for residual in ("post", "deepnorm"):
        c = config(**{**SMALL, "depth": 24, "lr": 0.003, "init": "xavier", "residual": residual, **CAUSAL})
        found[residual] = initialisation.measure(c, initialisation.keep_probe_rows(task(letters=16, lags=1))).row
    assert found["post"]["step_ratio"] < 0.3 < 0.8 < found["deepnorm"]["step_ratio"] < 1.3
    assert found["deepnorm"]["update"] < found["post"]["update"] / 2


def test_batch_normalisation_is_measured_with_the_statistics_of_the_probe_batch() -> None:
    c = config(**{**SMALL, "depth": 3, "residual": "post", "norm": part("batch")})
    model, batch = ready(c)
    initialisation.settle(model, batch)
    outputs: list[Tensor] = []
    handle = model.stack[-1].register_forward_hook(lambda *now: outputs.append(now[-1]))
    model(batch.tokens, batch.mask, batch.pos, batch.tree)
    handle.remove()
    real = outputs[0][batch.mask] if batch.mask is not None else outputs[0].flatten(0, 1)
    assert torch.allclose(real.mean(0), torch.zeros(c.dim), atol=0.02)  # the variance has a factor n / (n - 1)
    assert torch.allclose(real.var(0), torch.ones(c.dim), atol=0.05)  # post-LN ends with a normalisation
    assert all(m.momentum == 0.1 and not m.training for m in model.modules() if hasattr(m, "running_mean"))
    assert initialisation.measure(c, initialisation.keep_probe_rows(data(c))).row["signal_last"] == pytest.approx(
        1, abs=0.02
    )


def test_non_finite_results_are_reported_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is much too large, a gradient that overflows, and a loss that is NaN."""
    c = config(**{**SMALL, "depth": 4, "norm": "none", "lr": 1e12})
    row = initialisation.measure(c, initialisation.keep_probe_rows(tiny())).row
    assert not row["finite"] and not math.isfinite(row["update"]) and math.isnan(row["step_ratio"])
    wild = config(**{**SMALL, "depth": 64, "norm": "none", "embed_std": 100.0, "init": "xavier"})
    row, layers = initialisation.measure(wild, initialisation.keep_probe_rows(tiny()))
    assert not row["finite"] and any(math.isnan(r.g1) for r in layers if r.g1 is not None)

    def spoilt(*given: Any) -> StackedAttention:
        model = build_for(*given)
        nn.init.constant_(model.head.bias, math.nan)
        return model

    monkeypatch.setattr("stackcli.model.build.build_for", spoilt)
    row, layers = initialisation.measure(c, initialisation.keep_probe_rows(tiny()))
    assert not row["finite"] and layers == [] and row["signal_last"] is None


# ---- the order of rank collapse


class Power(nn.Module):
    """A block that raises each token's distance to the mean token to a power."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.power, self.attention = power, type("", (), {"causal": False})()

    def forward(self, x: Tensor, ctx: Any, pe: Any) -> Tensor:
        mean = x.mean(1, keepdim=True)
        return mean + (x - mean) ** self.power


@pytest.mark.parametrize("power", [1, 2, 3])
def test_a_known_order_of_collapse_is_found(power: int) -> None:
    model = stack()
    model.stack = (Power(power),)  # type: ignore[assignment]
    assert math.isclose(initialisation.collapse_order(model, 64) or 0, power, abs_tol=0.01)


@pytest.mark.parametrize("ff", [0.0, 2.0])
@pytest.mark.parametrize("residual", ["none", "pre", "post", "deepnorm", "rezero"])
def test_the_order_is_3_without_a_skip_connection_and_1_with_one(residual: str, ff: float) -> None:
    c = config(dim=16, heads=2, ff=ff, residual=residual, init="xavier")
    model = stack(ff=ff, residual=residual, init="xavier")
    order = initialisation.collapse_order(model, 64)
    assert math.isclose(order or 0, 3 if residual == "none" else 1, abs_tol=0.01)
    assert initialisation.collapse_theory(c, model) == (3 if residual == "none" else 1)


@pytest.mark.parametrize("change", [{"causal": True}, {"attention": "window"}, {"pe": "alibi"}, {"pe": "rope"}])
def test_if_attention_depends_on_positions_the_order_is_one_and_theory_says_nothing(change: dict[str, Any]) -> None:
    c = replace(config(dim=16, heads=2, residual="none"), **{k: v for k, v in change.items() if k == "causal"})
    model = stack(residual="none", **change)
    assert math.isclose(initialisation.collapse_order(model, 64) or 0, 1, abs_tol=0.01)
    assert initialisation.collapse_theory(c, model) is None


def test_a_single_token_has_no_order_of_collapse() -> None:
    assert initialisation.collapse_order(stack(), 1) is None


def test_only_the_probe_batch_is_sent_to_a_worker() -> None:
    loaded = tiny()
    kept = initialisation.keep_probe_rows(loaded)
    rows = batching.observed_rows(len(loaded.train))
    assert kept.train.tokens == tuple(loaded.train.tokens[i] for i in rows) and len(kept.val) == len(kept.test) == 0
