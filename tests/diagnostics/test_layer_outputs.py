"""The choice of sequences and tokens, and the outputs of each layer for them."""

import numpy as np
import pytest
import torch

from stackcli.data.base import UNSCORED, Loaded
from stackcli.diagnostics import layer_outputs, layer_report
from stackcli.model.batch import Batch
from stackcli.pe.base import Context
from stackcli.training import batching
from tests.diagnostics.examples import training, two_questions
from tests.factory import tiny


def test_at_most_the_given_number_of_scored_items_is_chosen_and_the_same_every_time() -> None:
    run = training(two_questions(2), depth=1)
    order = layer_outputs.draw_sequences(run.train)
    every = (run.train.labels[:, :, 0] != UNSCORED).sum()
    assert layer_outputs.choose_items(run.train, order, 10_000).sum() == every
    some = layer_outputs.choose_items(run.train, order[:30], 25)
    assert some.sum() == 25 and torch.equal(some, layer_outputs.choose_items(run.train, order[:30], 25))
    assert bool((run.train.labels[some][:, 0] != UNSCORED).all())
    assert not bool(some[order[30:]].any())
    assert sorted(order.tolist()) == list(range(60))


@pytest.mark.parametrize("loaded", [tiny(), two_questions(2)], ids=["sequences", "tokens"])
def test_small_batches_some_without_a_chosen_item_give_the_same_report(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training(loaded, depth=1)
    monkeypatch.setattr(layer_outputs, "ITEMS", 5)
    expected = layer_report.layer_rows(run)
    monkeypatch.setattr(batching, "EVALUATION_TOKENS", 6)
    monkeypatch.setattr(layer_outputs, "AT_ONCE", 2)
    for one, other in zip(expected, layer_report.layer_rows(run), strict=True):
        assert one.probe_acc == other.probe_acc and one.cka == pytest.approx(other.cka, abs=1e-5)
        assert one.without_acc == other.without_acc


def test_picked_items_are_numbered_row_by_row_among_those_asked_about() -> None:
    asked = torch.tensor([[True, False, True], [False, False, False], [False, True, True]])
    found = layer_outputs.pick_items(asked, np.array([2, 1]))  # items 0 and 1 are in row 0, items 2 and 3 in row 2
    assert found.tolist() == [[False, False, True], [False, False, False], [False, True, False]]


def test_every_sequence_passes_once_and_the_shortest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(tiny(), depth=1)
    monkeypatch.setattr(batching, "EVALUATION_TOKENS", 10)
    given = np.arange(3, 20)
    passed = list(layer_outputs.passes(run.model, run.test, given, full=False))
    order = np.concatenate([one.sequences for one in passed])
    assert max(one.batch.tokens.numel() for one in passed) <= 10 and len(passed) > 3
    assert sorted(order) == given.tolist()
    lengths = run.test.lengths[order].tolist()
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]


@pytest.mark.parametrize("every", [False, True])
def test_an_item_is_the_mean_real_token_of_a_sequence_or_a_single_token(every: bool) -> None:
    run = training(two_questions(1) if every else tiny(), depth=1)
    batch = Batch(torch.tensor([[1, 2, 3], [4, 1, 0]]), torch.tensor([[0, 1, 2], [0, 1, 0]] if every else [0, 1]),
                  torch.tensor([[True, True, True], [True, True, False]]))  # fmt: skip
    x = torch.arange(12.0).view(2, 3, 2)
    passed = layer_outputs.Pass(np.array([5, 2]), batch, [x, -x], Context(torch.arange(3), batch.mask))
    asked = torch.zeros(6, 3 if every else 1, dtype=torch.bool)
    asked[5, 0] = asked[2, 0] = True
    if every:
        asked[2, 1] = True
    found = layer_outputs.vectors(run.model, passed, asked)
    expected = [[0.0, 1.0], [6.0, 7.0], [8.0, 9.0]] if every else [[2.0, 3.0], [7.0, 8.0]]
    assert found.layers[0].tolist() == expected and torch.equal(found.layers[1], -found.layers[0])
    assert found.labels.tolist() == ([[0], [0], [1]] if every else [[0], [1]])


def test_batches_are_joined_in_order_in_every_layer() -> None:
    one, two = torch.tensor([[1.0]]), torch.tensor([[2.0], [3.0]])
    found = layer_outputs.join_batches(
        [
            layer_outputs.Vectors([one, 10 * one], torch.tensor([[0]])),
            layer_outputs.Vectors([two, 10 * two], torch.tensor([[1], [0]])),
        ]
    )
    assert [x.flatten().tolist() for x in found.layers] == [[1, 2, 3], [10, 20, 30]]
    assert found.labels.tolist() == [[0], [1], [0]]
