"""Soft labels of a teacher; the training with them is in tests/distill."""

import pytest
import torch

from stackcli.distill.defensive import DefensiveDistillation
from stackcli.training.teacher import build_distillation, describe_many_answers, soft_labels
from tests.factory import config, part, tiny
from tests.training.examples import training


@pytest.mark.parametrize("full", [False, True])
def test_soft_labels_are_those_of_each_item_alone_in_the_order_of_the_part(full: bool) -> None:
    run = training()
    found = soft_labels(run.model, run.train, DefensiveDistillation(temperature=3.0), full=full)
    torch.testing.assert_close(found.sum(1), torch.ones(80))
    for i, row in enumerate(tiny().train.tokens):
        with torch.no_grad():
            alone = run.model.eval()(torch.tensor([row]))[0] / 3
        torch.testing.assert_close(found[i], alone.softmax(-1))


def test_the_refusal_names_the_setting_and_the_data() -> None:
    c = config(distill=part("defensive", temperature=2.0), data="markov")
    assert describe_many_answers(c).startswith("distill=defensive needs data with one answer")
    assert build_distillation(c, tiny()).temperature == 2.0
