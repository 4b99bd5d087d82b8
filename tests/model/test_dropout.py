"""Dropout and layer drop: their rates and means, and no effect in evaluation."""

import math

import pytest
import torch

from stackcli.model import dropout
from tests.factory import stack, tokens
from tests.model.examples import gradient


def test_dropout_drops_its_share_and_scales_values_and_gradients_of_the_rest() -> None:
    drop, x = dropout.Dropout(0.3), torch.ones(200_001, requires_grad=True)
    torch.manual_seed(0)
    y = drop(x)
    y.sum().backward()
    kept = y > 0
    assert abs(float(kept.float().mean()) - 0.7) < 0.005
    assert torch.allclose(y[kept], torch.tensor(65536 / (65536 - round(0.3 * 65536))))
    assert torch.equal(gradient(x), y.detach())
    torch.manual_seed(0)
    assert torch.equal(drop(x), y)
    assert torch.equal(drop.eval()(x), x)


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


def test_dropout_drops_elements_independently_although_four_share_a_draw() -> None:
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
    assert torch.allclose(gradient(x).transpose(0, 2), kept * scale)


def test_dropout_of_0_and_dropout_in_evaluation_change_and_draw_nothing() -> None:
    x, state = torch.randn(9), torch.get_rng_state()
    assert torch.equal(dropout.Dropout(0.0).train()(x), x)
    assert torch.equal(dropout.Dropout(0.7).eval()(x), x)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("p", [0.9999, 0.999995, math.nextafter(1, 0)])
def test_every_dropout_below_1_gives_finite_numbers(p: float) -> None:
    torch.manual_seed(0)
    assert dropout.Dropout(p)(torch.ones(1000)).isfinite().all()


def test_a_stack_applies_dropout_to_the_embedding_and_every_branch_only_in_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, seen = stack(dropout=0.5, depth=2), []
    scales = dropout.Dropout.scales

    def watched(drop: dropout.Dropout, x: torch.Tensor) -> torch.Tensor | None:
        found = scales(drop, x)
        seen.extend([] if found is None else [x.shape])
        return found

    monkeypatch.setattr(dropout.Dropout, "scales", watched)
    assert torch.equal(model(tokens()), model(tokens())) and not seen
    model.train()
    torch.manual_seed(0)
    first = model(tokens())
    assert seen == [(3, 9, 16)] * 5  # the embedding, and two branches in each of two blocks
    torch.manual_seed(0)
    assert torch.equal(model(tokens()), first)
    torch.manual_seed(1)
    assert not torch.equal(model(tokens()), first)


# ---- layer drop


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_layer_drop_drops_or_scales_the_whole_branch_of_a_sequence(p: float) -> None:
    n, drop = 20_000, dropout.LayerDrop(p).train()
    torch.manual_seed(0)
    y = drop(torch.ones(n, 3, 2, dtype=torch.float64)).flatten(1)
    assert torch.equal(y, y[:, :1].expand(n, 6))
    assert {0.0, 1 / (1 - p)} == set(y[:, 0].unique().tolist())
    assert abs(float((y[:, 0] == 0).double().mean()) - p) < 5 * math.sqrt(p * (1 - p) / n)
    assert torch.equal(drop.eval()(y), y)


@pytest.mark.parametrize("residual", ["pre", "post"])
def test_layer_drop_changes_nothing_in_evaluation(residual: str) -> None:
    model, plain = (stack(residual=residual, depth=3, layer_drop=p) for p in (0.8, 0.0))
    state = torch.get_rng_state()
    assert torch.equal(model(tokens()), plain(tokens())) and torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(0)
    assert not torch.equal(model.train()(tokens()), plain.train()(tokens()))
