"""`make bench`: medians of paired times, and a reference that is the same network in PyTorch's own words."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stackcli.experiment import speed_ratios
from stackcli.experiment.speed_ratios import Reference
from stackcli.model.batch import Batch
from stackcli.model.build import build
from stackcli.training.batching import Padded
from tests.factory import config, padding, tiny, tokens

SIZES: dict[str, Any] = {"vocab": 30, "classes": 3, "max_len": 9}


def timer(seconds: list[float], calls: list[str], name: str) -> Callable[[], float]:
    """A function that takes these seconds, one after the other."""
    each = iter(seconds)

    def run() -> float:
        calls.append(name)
        return next(each)

    return run


def test_a_ratio_is_the_median_over_rounds_after_a_warm_up(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []
    one, other = timer([100, 1, 2, 4], calls, "one"), timer([1, 3, 4, 20], calls, "other")
    assert speed_ratios.ratio("a name", one, other, 3) == 3.0  # of 3 / 1, 4 / 2 and 20 / 4
    assert calls == ["one", "other", "other", "one", "one", "other", "other", "one"]  # each goes first in turn
    assert capsys.readouterr().out.split() == ["a", "name", "3.00", "(2.00", "to", "5.00,", "3", "rounds)"]


@pytest.mark.parametrize("residual", ["pre", "post"])
def test_the_reference_has_as_many_parameters_as_ours(residual: str) -> None:
    c = config(residual=residual, pe="learned", depth=3, dim=16, heads=2, ff=2.0)
    ours, theirs = (sum(p.numel() for p in model.parameters()) for model in (build(c, **SIZES), Reference(c, **SIZES)))
    assert ours == theirs


def test_padding_does_not_change_the_answers_of_the_reference() -> None:
    torch.manual_seed(0)
    model = Reference(config(depth=2, dim=16, heads=2, ff=2.0), **SIZES).double().eval()
    given, mask = tokens(2, 9), padding([9, 5], 9)
    other = given.masked_fill(~mask, 7)
    assert not torch.equal(other, given)
    with torch.no_grad():
        assert torch.allclose(model(given, mask), model(other, mask), atol=1e-12)
        assert torch.allclose(model(given[1:, :5]), model(given, mask)[1:], atol=1e-12)


class Bias(nn.Module):
    """Answers alike whatever it is given."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.logits.expand(len(tokens), -1)


def test_accuracy_is_the_share_of_right_answers() -> None:
    data = tiny(n=80)
    part = Padded(data.train, max_len=data.max_len, device="cpu", masked=True)
    share = data.train.labels.count(1) / len(data.train)
    assert 0 < share < 1 and speed_ratios.accuracy(Bias(0.0, 1.0, 0.0), part) == share


class Descent:
    """Gradient descent; PyTorch's own optimisers take two seconds to load."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": 9.0}]
        self.parameter = parameter

    def zero_grad(self) -> None:
        self.parameter.grad = None

    def step(self) -> None:
        assert self.parameter.grad is not None
        self.parameter.data -= self.param_groups[0]["lr"] * self.parameter.grad


def test_an_epoch_takes_a_step_for_each_batch_at_its_own_learning_rate() -> None:
    model = Bias(0.0, 0.0)
    c = replace(config(), clip=1e12, label_smoothing=0.0)
    batches = [Batch(torch.zeros(1, 1, dtype=torch.long), torch.tensor([1]), None)] * 2
    step: Any = Descent(model.logits)
    seconds = speed_ratios.epoch(model, step, batches, c, [0.5, 0.0])
    # cross-entropy of two equal logits: its gradient is softmax - target = (1/2, -1/2); the second step has lr 0
    assert model.logits.tolist() == [-0.25, 0.25] and seconds > 0
