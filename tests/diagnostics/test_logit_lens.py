"""The logit lens, in a stack with weights set by hand, against the stack itself and a stack of fewer blocks."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from stackcli.data.base import UNSCORED, Loaded
from stackcli.diagnostics import layer_report, logit_lens
from stackcli.model.batch import Batch
from stackcli.training.evaluation import answers
from tests.diagnostics.examples import same_or_not, set_by_hand, trained, training, two_questions
from tests.factory import padding, stack, tiny, tokens

DATA = {"sequences": tiny(), "tokens": two_questions(1), "two answers": two_questions(2)}


def test_the_classifier_reads_the_class_after_the_block_that_computes_it_and_not_before() -> None:
    run = training(same_or_not(5), depth=3, pe="none")
    run.best = set_by_hand(run.model)
    rows = layer_report.layer_rows(run)
    assert [row.lens_acc for row in rows] == [0.5, 0.5, 1.0, 1.0]
    idle = (math.log(1 + math.exp(1)) + math.log(1 + math.exp(-1))) / 2  # logits 1 and 0 for every class
    assert [row.lens_loss for row in rows[:2]] == pytest.approx([idle, idle], rel=1e-6)


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("parts", [{}, {"residual": "post", "pe": "relative"}, {"pad": "max", "norm": "rms"}])
def test_at_the_last_layer_it_has_the_accuracy_of_the_stack(data: Loaded, parts: dict[str, Any]) -> None:
    run = trained(data, **{"depth": 2, "lr": 0.01, **parts})
    result, last = run.result(), layer_report.layer_rows(run)[-1]
    assert last.lens_acc == result.test_acc and last.lens_loss == pytest.approx(result.test_loss, rel=1e-6)


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_after_an_earlier_layer_it_is_the_stack_without_the_later_blocks(data: Loaded, residual: str) -> None:
    run, short = (training(data, depth=depth, residual=residual, pe="learned") for depth in (3, 1))
    state = run.model.state_dict()
    short.model.load_state_dict({name: state[name] for name in short.model.state_dict()})
    expected, found = answers(short.model, short.test, full=False), layer_report.layer_rows(run)[1]
    assert found.lens_acc == expected.acc and found.lens_loss == pytest.approx(expected.loss, rel=1e-6)


def test_at_layer_0_it_is_the_classifier_on_the_normalised_token_vectors() -> None:
    loaded = two_questions(2)
    run = trained(loaded, depth=2, pe="none", lr=0.01)
    found = layer_report.layer_rows(run)[0]
    with layer_report.chosen_weights(run) as model:
        assert model.closing is not None
        state = {name: value.double().numpy() for name, value in model.state_dict().items()}
    gain, shift = state["closing.weight"], state["closing.bias"]
    right, total = [], []
    for row, targets in zip(loaded.test.tokens, loaded.test.targets, strict=True):
        for i, token in enumerate(row):
            x = state["embedding.weight"][token]
            x = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * gain + shift
            logits = (state["head.weight"] @ x + state["head.bias"]).reshape(2, 4)
            for z, label in zip(logits, targets[2 * i : 2 * i + 2], strict=True):
                if label != UNSCORED:
                    right.append(z.argmax() == label)
                    total.append(np.log(np.exp(z).sum()) - z[label])
    assert found.lens_acc == np.mean(right) and found.lens_loss == pytest.approx(np.mean(total), rel=1e-5)


@pytest.mark.parametrize("every", [False, True])
def test_what_is_read_off_a_text_is_the_answer_of_stacks_of_fewer_blocks_at_the_last_real_token(every: bool) -> None:
    model, ids, mask = stack(depth=3, pe="rope"), tokens(3, 9), padding([9, 4, 1], 9)
    model.every = every
    found = logit_lens.read_off(model, Batch(ids, torch.zeros(3), mask))
    assert found.shape == (4, 3, 3) and found.sum(-1).allclose(torch.ones(4, 3, dtype=found.dtype))
    whole = model.stack
    for layers in range(4):
        model.stack = whole[: layers or 1]
        for i, length in enumerate((9, 4, 1)):
            logits = model(ids[i : i + 1, :length])
            if not layers:
                x, _ = model.enter(ids[i : i + 1, :length], None, None, None)
                logits = model.classify(model.leave(x, None))
            expected = (logits[:, -1] if every else logits)[0].softmax(-1)
            assert (found[layers, i] - expected).abs().max() < 1e-12
    model.stack = whole
    full = logit_lens.read_off(model, Batch(ids, torch.zeros(3), None))
    logits = model(ids)
    assert (full[-1] - (logits[:, -1] if every else logits).softmax(-1)).abs().max() < 1e-12
