"""The row of each layer, in a stack with weights set by hand, and against scikit-learn and loops."""

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from stackcli.data.base import UNSCORED, Examples
from stackcli.diagnostics import layer_report, linear_probe
from stackcli.training.evaluation import answers
from stackcli.training.loop import Training
from tests.diagnostics.examples import cka_by_loops, same_or_not, set_by_hand, trained, training, two_questions
from tests.factory import tiny


@pytest.fixture
def hand_set() -> Iterator[Training]:
    """A training whose chosen weights are set by hand; its last weights differ from them."""
    run = training(same_or_not(5), depth=3, pe="none")
    last = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.best = set_by_hand(run.model)
    run.model.load_state_dict(last)
    yield run


def test_the_probe_finds_the_class_after_the_block_that_computes_it_and_not_before(hand_set: Training) -> None:
    assert [row.probe_acc for row in layer_report.layer_rows(hand_set)] == [0.5, 0.5, 1.0, 1.0]
    assert [row.layer for row in layer_report.layer_rows(hand_set)] == [0, 1, 2, 3]


def test_removing_the_useful_block_gives_chance_and_removing_an_idle_block_changes_nothing(hand_set: Training) -> None:
    found = layer_report.layer_rows(hand_set)
    assert hand_set.best is not None
    hand_set.model.load_state_dict(hand_set.best)
    complete = answers(hand_set.model, hand_set.test, full=False)
    assert complete.acc == 1.0
    assert [row.without_acc for row in found] == [None, 1.0, 0.5, 1.0]
    assert found[0].without_loss is None
    assert found[1].without_loss == found[3].without_loss == pytest.approx(complete.loss, rel=1e-6)
    idle = (math.log(1 + math.exp(1)) + math.log(1 + math.exp(-1))) / 2  # logits 1 and 0 for every class
    assert found[2].without_loss == pytest.approx(idle, rel=1e-6)


def test_idle_blocks_have_similarity_1_and_the_useful_block_changes_its_input(hand_set: Training) -> None:
    cka = [row.cka for row in layer_report.layer_rows(hand_set)]
    assert cka[0][1] == cka[2][3] == cka[1][1] == 1.0
    assert cka[1][2] < 0.9


def by_loop(run: Training, part: Any, layer: int) -> np.ndarray:
    """Returns the mean vector of each sequence after a layer, computed for each sequence alone without padding."""
    rows = []
    with layer_report.chosen_weights(run) as model, torch.no_grad():
        for tokens in part.tokens:
            x, ctx = model.enter(torch.tensor([tokens]), None, None, None)
            for block in model.stack[:layer]:
                x = block(x, ctx, model.pe)
            rows.append(x[0].mean(0).double().numpy())
    return np.array(rows)


def standardise(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    out: np.ndarray = (x - by.mean(0)) / by.std(0)
    return out


@pytest.mark.parametrize("pad", ["batch", "max"])
def test_a_probe_is_logistic_regression_on_the_mean_of_real_tokens(pad: str) -> None:
    loaded = tiny()
    run = trained(loaded, depth=2, pad=pad)
    found = layer_report.layer_rows(run)
    for layer in (0, 1, 2):
        x, z = by_loop(run, loaded.train, layer), by_loop(run, loaded.test, layer)
        model = LogisticRegression(C=linear_probe.STRENGTH, tol=1e-6, max_iter=1000).fit(
            standardise(x, x), loaded.train.labels
        )
        assert found[layer].probe_acc == model.score(standardise(z, x), loaded.test.labels)
        expected = [cka_by_loops(z, by_loop(run, loaded.test, other)) for other in (0, 1, 2)]
        assert found[layer].cka == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("outputs", [1, 2])
def test_if_every_token_is_labelled_a_probe_reads_scored_tokens_for_each_output(outputs: int) -> None:
    loaded = two_questions(outputs)
    run = training(loaded, depth=1, pe="none")
    vectors = run.model.embedding.weight.detach().double().numpy()

    def asked(part: Examples, output: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x = [vectors[t] for row in part.tokens for t in row[1:]]
        y = [c for row in part.targets for c in row[output::outputs][1:]]
        return np.array(x), np.array(y), np.array(y) != UNSCORED

    expected = []
    for output in range(outputs):
        (x, y, here), (z, true, there) = asked(loaded.train, output), asked(loaded.test, output)
        x, z = standardise(x, x), standardise(z, x)
        model = LogisticRegression(C=linear_probe.STRENGTH, tol=1e-6).fit(x[here], y[here])
        expected.append(model.score(z[there], true[there]))
    found = layer_report.layer_rows(run)[0].probe_acc
    assert expected[0] == 1.0 and sum(expected[1:]) < 0.5
    assert found == pytest.approx(sum(expected) / outputs, abs=1e-12)


def everything(value: Any) -> Any:
    """Returns the value with tensors and arrays as bytes, so that a state can be compared with ==."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return np.asarray(value).tobytes()
    if isinstance(value, dict):
        return {key: everything(item) for key, item in value.items()}
    return [everything(item) for item in value] if isinstance(value, list | tuple) else value


def test_the_report_changes_nothing_and_is_the_same_twice(capfd: pytest.CaptureFixture[str]) -> None:
    run = trained(tiny(), dropout=0.3, layer_drop=0.3, depth=3, lr=0.01)
    run.model.train()
    before, generators = everything(run.state()), everything((random.getstate(), np.random.get_state()))
    state = torch.random.get_rng_state()
    found = layer_report.layer_rows(run)
    assert everything(run.state()) == before
    assert everything((random.getstate(), np.random.get_state())) == generators
    assert torch.equal(state, torch.random.get_rng_state())
    assert run.model.training and all(not block._forward_hooks for block in run.model.stack)
    torch.manual_seed(5)
    assert layer_report.layer_rows(run) == found
    assert capfd.readouterr() == ("", "")


def test_a_resumed_training_has_the_same_rows() -> None:
    uninterrupted, stopped, resumed = (training(tiny(), dropout=0.2) for _ in range(3))
    for _ in range(7):
        stopped.advance()
    resumed.restore(stopped.state())
    for run in (uninterrupted, resumed):
        while not run.finished:
            run.advance()
    assert layer_report.layer_rows(uninterrupted) == layer_report.layer_rows(resumed)
