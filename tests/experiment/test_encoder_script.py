"""The script of `nn.TransformerEncoder` trains as our runs do: as many steps, as many evaluations."""

import json
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stackcli.config.settings import Config, plain
from stackcli.experiment import encoder_script as script
from stackcli.model.build import build_for
from stackcli.training.batching import Padded
from stackcli.training.loop import Training
from tests.factory import config, tiny


def small() -> Config:
    return config(depth=1, dim=16, heads=2, batch=16, epochs=8, lr=0.02, probes=False)


class Constant(nn.Module):
    """Answers alike whatever it is given, and keeps the widths of its batches."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits, self.widths = torch.tensor(logits), list[int]()

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        self.widths.append(tokens.shape[1])
        return self.logits.expand(len(tokens), -1)


def test_loss_and_accuracy_are_means_over_the_part() -> None:
    data = tiny(n=100)
    part = Padded(data.train, max_len=data.max_len, device="cpu", masked=True)
    model = Constant(0.0, 1.0, 0.0)
    loss, accuracy = script.evaluate(model, part)
    labels = np.array(data.train.labels)
    each = np.log(2 + np.e) - np.array([0.0, 1.0, 0.0])[labels]
    assert loss == pytest.approx(each.mean(), rel=1e-5) and accuracy == (labels == 1).mean()
    lengths = [len(row) for row in data.train.tokens]
    assert model.widths == [max(lengths[:64]), max(lengths[64:])]  # in the order of the part


def test_the_script_evaluates_as_often_as_a_run_and_learns() -> None:
    c, data = small(), tiny(n=90)
    found = script.train_encoder(c, data)
    training = Training(build_for(c, data), data, c)
    while not training.finished:
        training.advance()
    assert [row[0] for row in found["curve"]] == [row.step for row in training.curve]
    assert found["curve"][-1][3] < found["curve"][0][3]  # loss on the validation part
    ours = training.result()
    assert ours.test_acc_end is not None and ours.test_acc_end >= 0.75 and found["test_acc_end"] >= 0.75  # chance: 1/3


def test_a_number_of_steps_is_kept() -> None:
    assert [row[0] for row in script.train_encoder(replace(small(), steps=8), tiny(n=90))["curve"]] == [0, 6, 8]


def test_the_weights_of_the_lowest_validation_loss_are_tested_too(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([9.0, 9.0, 9.0, 1.0, 9.0, 5.0])  # train, validation, before and after the two epochs
    tested = []

    def evaluate(model: nn.Module, part: Padded) -> tuple[float, float]:
        weight = float(next(model.parameters()).detach().sum())
        if (loss := next(losses, None)) is None:
            tested.append(weight)
        else:
            seen.append(weight)
        return loss or 0.0, len(tested)

    seen: list[float] = []
    monkeypatch.setattr(script, "evaluate", evaluate)
    found = script.train_encoder(replace(small(), epochs=2), tiny(n=90))
    assert tested == [seen[-1], seen[3]] and seen[3] != seen[-1]
    assert (found["test_acc_end"], found["test_acc"]) == (1, 2)


def test_the_command_takes_a_config_as_json_and_prints_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    c = replace(config(data="majority", depth=1, dim=8, heads=2), steps=2)
    settings = json.dumps({f.name: plain(getattr(c, f.name)) for f in fields(c)})
    monkeypatch.setattr(sys, "argv", ["encoder_script", settings])
    script.run_script()
    found = json.loads(capsys.readouterr().out)
    assert [row[0] for row in found["curve"]] == [0, 2] and 0 <= found["test_acc_end"] <= 1 and found["seconds"] > 0
