"""A stack without one of its layers, against a stack built without it and against single sequences."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stackcli.data.base import UNSCORED
from stackcli.diagnostics import layer_ablation, layer_outputs, layer_report
from stackcli.training.evaluation import answers
from tests.diagnostics.examples import trained, training, two_questions
from tests.factory import tiny


@pytest.mark.parametrize("parts", [{"residual": "pre"}, {"residual": "post", "pe": "relative"}, {"residual": "none"}])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_removing_a_block_gives_the_stack_built_without_it(parts: dict[str, Any], layer: int) -> None:
    loaded = tiny()
    run = trained(loaded, depth=3, ff=2.0, **parts)
    other = training(loaded, depth=2, ff=2.0, **parts)
    assert run.best is not None
    moved = {}
    for name, value in run.best.items():
        group, _, rest = name.partition(".")
        if group == "blocks":
            number, _, rest = rest.partition(".")
            if int(number) == layer - 1:
                continue
            name = f"blocks.{int(number) - (int(number) >= layer)}.{rest}"
        moved[name] = value
    other.model.load_state_dict(moved)
    expected, found = answers(other.model, other.test, full=False), layer_report.layer_rows(run)[layer]
    assert found.without_acc == expected.acc
    assert found.without_loss == pytest.approx(expected.loss, rel=1e-6)


def test_in_a_deep_stack_the_mean_difference_on_a_subset_is_added_to_the_result_on_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = trained(tiny(), depth=3)
    monkeypatch.setattr(layer_report, "REMOVALS", 3 * 7)
    monkeypatch.setattr(layer_report, "FEWEST", 2)
    found = layer_report.layer_rows(run)
    with layer_report.chosen_weights(run) as model, torch.no_grad():
        order, scores = layer_outputs.draw_sequences(run.test), []
        for at in order:  # each sequence alone: with all layers, then without layer 2
            batch = run.test.cut(np.array([at]))
            x, ctx = model.enter(batch.tokens, batch.mask, None, None)
            first = model.stack[0](x, ctx, model.pe)
            both = [first, model.stack[1](first, ctx, model.pe)]
            logits = [model.classify(model.leave(model.stack[2](y, ctx, model.pe), ctx.mask))[0] for y in both]
            label = int(batch.labels)
            scores.append([(float(z.argmax() == label), -float(z.log_softmax(-1)[label])) for z in logits])
    without, complete = np.array(scores).transpose(1, 0, 2)
    acc, loss = complete.mean(0) + (without[:7] - complete[:7]).mean(0)
    assert found[2].without_acc == pytest.approx(acc, abs=1e-12)
    assert found[2].without_loss == pytest.approx(loss, rel=1e-5)
    assert abs(loss - without.mean(0)[1]) > 1e-4  # the result on all sequences would differ


def test_loss_and_accuracy_of_tokens_are_averaged_over_scored_labels() -> None:
    run = training(two_questions(2), depth=2)
    with layer_report.chosen_weights(run) as model, torch.no_grad():
        found, total, right = layer_report.layer_rows(run), [], []
        for tokens, targets in zip(two_questions(2).test.tokens, two_questions(2).test.targets, strict=True):
            x, ctx = model.enter(torch.tensor([tokens]), None, None, None)
            logits = model.classify(model.leave(model.stack[1](x, ctx, model.pe), None))[0].reshape(
                -1, 4
            )  # without layer 1
            for z, label in zip(logits, targets, strict=True):
                if label != UNSCORED:
                    total.append(float(F.cross_entropy(z, torch.tensor(label))))
                    right.append(float(z.argmax() == label))
    assert found[1].without_loss == pytest.approx(sum(total) / len(total), rel=1e-6)
    assert found[1].without_acc == sum(right) / len(right)


def test_a_score_counts_scored_tokens_only() -> None:
    logits = torch.tensor([[[0.0, 0.0], [5.0, 0.0], [math.log(3), 0.0]]])
    items, right, loss = layer_ablation.score(logits, torch.tensor([[1, UNSCORED, 0]])).tolist()
    assert (items, right) == (2, 1)  # with equal logits the first class is predicted
    assert loss == pytest.approx(math.log(2) + math.log(4 / 3), rel=1e-6)


def test_an_effect_is_the_mean_difference_on_a_subset_added_to_the_result_on_all() -> None:
    whole = torch.tensor([10.0, 9.0, 4.0], dtype=torch.float64)  # accuracy .9, loss .4
    some = torch.tensor([[4.0, 4.0, 1.2], [4.0, 2.0, 2.0]], dtype=torch.float64)
    first, (acc, loss) = layer_ablation.ablation_effects(whole, some)
    assert first == (None, None)
    assert acc == pytest.approx(0.9 + (0.5 - 1.0)) and loss == pytest.approx(0.4 + (0.5 - 0.3))


def test_an_estimated_accuracy_stays_between_0_and_1() -> None:
    whole = torch.tensor([[10.0, 2.0, 4.0], [10.0, 8.0, 4.0]], dtype=torch.float64)
    some = torch.tensor([[4.0, 4.0, 1.0], [4.0, 0.0, 1.0]], dtype=torch.float64)
    assert layer_ablation.ablation_effects(whole[0], some)[1][0] == 0.0  # .2 - 1
    assert layer_ablation.ablation_effects(whole[1], some.flip(0))[1][0] == 1.0  # .8 + 1
