"""The cross-entropy of a linear classifier, a few items at a time."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stackcli.training import linear_loss
from stackcli.training.linear_loss import LinearCrossEntropy, linear_cross_entropy


def example(items: int, classes: int) -> tuple[torch.Tensor, nn.Linear, torch.Tensor]:
    torch.manual_seed(0)
    head = nn.Linear(6, classes).double()
    return torch.randn(items, 6, dtype=torch.float64, requires_grad=True), head, torch.randint(classes, (items,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("logits", [1, 33, 70, 10_000])
def test_loss_and_gradients_are_those_of_all_logits_at_once(
    smoothing: float, logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_loss, "LOGITS", logits)
    x, head, labels = example(20, 11)
    inputs = [x, head.weight, head.bias]
    found = linear_cross_entropy(x, head, labels, smoothing=smoothing)
    expected = F.cross_entropy(head(x), labels, label_smoothing=smoothing)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(3 * found, inputs), torch.autograd.grad(3 * expected, inputs), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_loss, "LOGITS", 12)
    x, head, labels = example(5, 4)

    def loss(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = LinearCrossEntropy.apply(x, weight, bias, labels, 0.1)  # type: ignore[no-untyped-call]
        return found

    assert torch.autograd.gradcheck(loss, (x, head.weight, head.bias))


def test_a_confident_wrong_answer_has_a_finite_loss() -> None:
    x, head, labels = example(3, 4)
    with torch.no_grad():
        head.bias.copy_(torch.tensor([0.0, 1e4, -1e4, 0.0]))
    found = linear_cross_entropy(x.float(), head.float(), torch.full_like(labels, 2))
    torch.testing.assert_close(found, F.cross_entropy(head(x.float()), torch.full_like(labels, 2)))
