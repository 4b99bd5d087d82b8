"""Surrogates of stacks that are replaced by known rules: what is faithful, what is right, and that a test can fail."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from stackcli.data._tokens import RESERVED
from stackcli.data.base import Examples, Loaded
from stackcli.data.trigger import Trigger
from stackcli.experiment import surrogate
from stackcli.experiment.surrogate import Asked, make_surrogates
from stackcli.experiment.trained_run import Run
from tests.factory import config

CELL, ATOM = 2, 3
VOCAB = (*RESERVED, "cell", "atom", *(f"w{i}" for i in range(12)))
BOTH = Asked(("tree", "linear"), {"tree": 2, "linear": 1})
Rule = Callable[[list[int]], int]


class Stack:
    """In place of a stack: answers each text by a rule, whatever its batch and padding."""

    every, outputs, reach = False, 1, 0

    def __init__(self, rule: Rule, classes: int) -> None:
        self.rule, self.classes = rule, classes

    def eval(self) -> "Stack":
        return self

    def __call__(self, tokens: torch.Tensor, *_: Any) -> torch.Tensor:
        rows = [self.rule([t for t in row if t]) for row in tokens.tolist()]
        return torch.nn.functional.one_hot(torch.tensor(rows), self.classes).double()


def run_of(loaded: Loaded, rule: Rule) -> Run:
    known = {"vocab": list(loaded.vocab), "classes": list(loaded.classes), "max_len": loaded.max_len}
    model: Any = Stack(rule, len(loaded.classes))
    return Run("known", config(), known, model, loaded)


def has_cell(text: list[int]) -> int:
    """Biology (0) iff the text has 'cell'."""
    return 0 if CELL in text else 1


def texts(seed: int = 0) -> Loaded:
    """Random texts whose label is Biology iff they have 'cell', but for those without 'atom', whose label is the other:
    the labels teach the opposite of `has_cell`."""

    def part(count: int) -> Examples:
        draw = np.random.default_rng([seed, count])
        rows = tuple(tuple(draw.integers(1, len(VOCAB), draw.integers(3, 9)).tolist()) for _ in range(count))
        labels = tuple(has_cell(list(row)) ^ (ATOM not in row) for row in rows)
        return Examples(rows, labels, ("",) * count)

    return Loaded(part(300), part(20), part(120), VOCAB, ("Biology", "Physics"), 8, text=True)


def test_a_rule_of_one_word_is_found_by_both_and_is_faithful_where_it_is_wrong() -> None:
    loaded = texts()
    report = make_surrogates(run_of(loaded, has_cell), BOTH)
    right = np.mean([ATOM in row for row in loaded.test.tokens])
    assert 0.1 < right < 0.45 and report["stack"]["accuracy"]["mean"] == pytest.approx(right)
    for found in report["surrogates"].values():
        assert found["fidelity"]["mean"] == 1.0 and found["accuracy"]["mean"] == pytest.approx(right)
        assert found["fidelity"]["low"] == pytest.approx(120 / (120 + 1.959964**2))  # Wilson's bound of 120 of 120
    first, rest = report["surrogates"]["tree"]["rules"]
    assert (first["word"], first["answer"], first["share"]) == ("cell", "Biology", 1.0)
    assert first["texts"] == sum(CELL in row for row in loaded.train.tokens)
    assert (rest["word"], rest["answer"]) == (None, "Physics")
    ((word, weight),) = report["surrogates"]["linear"]["weights"]["Biology"]
    assert word == "cell" and weight > 1
    assert report["texts"] == {"train": 300, "test": 120}


def test_the_majority_answer_is_that_of_the_stack_in_training() -> None:
    loaded = texts()
    report = make_surrogates(run_of(loaded, has_cell), BOTH)
    most = int(np.mean([has_cell(list(row)) for row in loaded.train.tokens]) > 0.5)
    share = np.mean([has_cell(list(row)) == most for row in loaded.test.tokens])
    assert report["majority"]["answer"] == loaded.classes[most]
    assert report["majority"]["fidelity"]["mean"] == pytest.approx(share)
    assert report["majority"]["accuracy"]["mean"] == pytest.approx(np.mean(np.array(loaded.test.labels) == most))


def test_an_order_of_words_is_not_found_and_one_word_is() -> None:
    def first_trigger(text: list[int]) -> int:
        return next((token - 1) // 2 for token in text if token <= 4)

    asked = Asked(("tree", "linear"), {"tree": 16, "linear": 40})
    pair, one = (Trigger(form=form, size=400, longest=1).load() for form in ("pair", "one"))
    report = make_surrogates(run_of(pair, first_trigger), asked)
    assert report["stack"]["accuracy"]["mean"] == 1.0 and report["unit"] == "sequence"
    for found in report["surrogates"].values():  # both of two partners have the same words
        assert found["fidelity"]["mean"] == report["majority"]["fidelity"]["mean"] == 0.5
    assert report["surrogates"]["linear"]["size"] == 0  # not even in training
    report = make_surrogates(run_of(one, first_trigger), asked)
    assert {found["fidelity"]["mean"] for found in report["surrogates"].values()} == {1.0}


def test_the_curve_has_each_size_and_what_is_asked_for_is_reported() -> None:
    def rule(text: list[int]) -> int:
        return int(len({2, 3, 4, 5} & set(text)) > 1)

    run = run_of(texts(), rule)
    report = make_surrogates(run, Asked(("tree", "linear"), {"tree": 5, "linear": 7}))["surrogates"]
    assert [point["size"] for point in report["tree"]["curve"]][:4] == [2, 4, 5, 8] and report["tree"]["size"] == 5
    assert [point["size"] for point in report["linear"]["curve"]] == [5, 7, 10, 14]  # all of the words are 14
    alone = make_surrogates(run, Asked(("tree",), {"tree": 8}))["surrogates"]
    assert list(alone) == ["tree"] and alone["tree"]["fidelity"] == report["tree"]["curve"][3]["fidelity"]
    assert report["linear"]["fidelity"] == report["linear"]["curve"][1]["fidelity"]


def test_the_test_part_chooses_nothing() -> None:
    one, other = texts(), texts(1)
    mixed = Loaded(one.train, one.val, other.test, VOCAB, one.classes, 8, text=True)
    asked = Asked(("tree", "linear"), {"tree": 6, "linear": 9})
    found = [make_surrogates(run_of(loaded, has_cell), asked)["surrogates"] for loaded in (one, mixed)]
    assert one.test != other.test
    assert found[0]["tree"]["rules"] == found[1]["tree"]["rules"]
    assert found[0]["linear"]["weights"] == found[1]["linear"]["weights"]


def test_reserved_tokens_are_no_words() -> None:
    part = surrogate.read_part(run_of(texts(), has_cell), texts().train, VOCAB)
    kept = part.words.toarray().sum(0)
    assert kept[:2].tolist() == [0, 0] and (kept[2:] > 0).all()


def test_what_cannot_have_a_surrogate_is_refused() -> None:
    run: Any = SimpleNamespace(name="known", model=SimpleNamespace(every=True))
    with pytest.raises(ValueError, match="answers at every token"):
        make_surrogates(run, BOTH)
    with pytest.raises(ValueError, match="answers Physics to every training text"):
        make_surrogates(run_of(texts(), lambda text: 1), BOTH)
    with pytest.raises(ValueError, match="--kind forest: no such surrogate; choose from tree, linear"):
        Asked(("forest",), {})
