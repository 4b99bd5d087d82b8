"""The whole stack: its gradients, pooling and answers."""

import pytest
import torch
import torch.nn.functional as F

from stackcli.model.build import build
from stackcli.model.stack import pool
from tests.factory import config, padding, stack, tokens
from tests.model.examples import PES, gradient

LENGTHS = [9, 5, 1]


@pytest.mark.parametrize("pe", PES)
def test_the_order_of_tokens_matters_only_with_an_encoding(pe: str) -> None:
    model, x = stack(pe=pe), tokens(1)
    change = (model(x) - model(x.flip(1))).abs().max()
    assert change < 1e-12 if pe == "none" else change > 1e-9


def test_no_mask_equals_a_mask_without_padding() -> None:
    for pe in PES:
        model = stack(pe=pe)
        assert (model(tokens()) - model(tokens(), torch.ones(3, 9, dtype=torch.bool))).abs().max() < 1e-12


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_every_parameter_gets_a_gradient(pe: str, residual: str, ff: float) -> None:
    model = stack(pe=pe, residual=residual, ff=ff)
    torch.autograd.backward(F.cross_entropy(model(tokens(), padding(LENGTHS, 9)), torch.tensor([0, 1, 2])))
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@pytest.mark.parametrize("pe", PES)
def test_gradients_equal_central_differences(pe: str) -> None:
    model, x, mask = stack(pe=pe, depth=1), tokens(2, 5), padding([5, 3], 5)
    target = torch.tensor([0, 2])

    def loss() -> torch.Tensor:
        return F.cross_entropy(model(x, mask), target)

    torch.autograd.backward(loss())
    draw = torch.Generator().manual_seed(0)
    for name, p in model.named_parameters():
        direction = torch.randn(p.shape, dtype=p.dtype, generator=draw)
        with torch.no_grad():
            p.add_(direction, alpha=1e-6)
            high = loss()
            p.add_(direction, alpha=-2e-6)
            low = loss()
            p.add_(direction, alpha=1e-6)
        assert abs(float((high - low) / 2e-6) - float((gradient(p) * direction).sum())) < 1e-6, name


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
    torch.autograd.backward(F.cross_entropy(model(x, mask), target))
    draw = torch.Generator().manual_seed(0)
    for name, p in model.named_parameters():
        direction = F.normalize(torch.randn(p.shape, dtype=p.dtype, generator=draw).flatten(), dim=0).view(p.shape)
        losses = []
        with torch.no_grad():
            for step in (1e-5, -2e-5):
                p.add_(direction, alpha=step)
                losses.append(float(F.cross_entropy(model(x, mask), target)))
            p.add_(direction, alpha=1e-5)
        assert abs((losses[0] - losses[1]) / 2e-5 - float((gradient(p) * direction).sum())) < 1e-6, name


def test_pooling_is_the_mean_over_real_tokens_and_zero_where_there_are_none() -> None:
    x = torch.tensor([[[1.0, 10.0], [3.0, 30.0], [99.0, 99.0]], [[5.0, 5.0], [5.0, 5.0], [5.0, 5.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert pool(x, mask).tolist() == [[2.0, 20.0], [0.0, 0.0]]
    assert pool(x[:, :2], None).tolist() == [[2.0, 20.0], [5.0, 5.0]]


def test_several_answers_at_every_token_are_a_dimension_of_the_logits() -> None:
    model = build(config(dim=16, heads=2, ff=2.0), vocab=30, classes=3, max_len=64, every=True, outputs=2).eval()
    last = torch.randn(3, 9, 16, generator=torch.Generator().manual_seed(0))
    assert model.closing is not None
    rows = model.closing(last, None) @ model.head.weight.T + model.head.bias  # classes of answer 0, then of answer 1
    logits = model.classify(model.leave(last, None))
    assert logits.shape == (3, 9, 2, 3)
    assert (logits[:, :, 0] - rows[..., :3]).abs().max() < 1e-5 and (logits[:, :, 1] - rows[..., 3:]).abs().max() < 1e-5
