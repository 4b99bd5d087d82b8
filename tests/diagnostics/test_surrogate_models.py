"""Surrogates against rules that are known, and against definitions in loops."""

from collections import Counter

import numpy as np
import pytest

from stackcli.diagnostics.surrogate_models import Linear, Rule, Tree, rank_words, word_presence

TEXTS = [[2, 5, 2], [3], [5, 4, 3, 3]]


def random_words(seed: int, texts: int = 200, vocab: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Which words each text has, and one of three answers that depends on them with exceptions."""
    draw = np.random.default_rng(seed)
    words = (draw.random((texts, vocab)) < 0.4).astype(float)
    answers = np.where(words[:, 1] > 0, 0, np.where(words[:, 4] * words[:, 2] > 0, 1, 2))
    wrong = draw.random(texts) < 0.1
    return words, np.where(wrong, draw.integers(0, 3, texts), answers)


def gini(answers: np.ndarray) -> float:
    return 1 - sum((n / len(answers)) ** 2 for n in Counter(answers.tolist()).values())


def follow(rules: list[Rule], text: np.ndarray, level: int = 0) -> int:
    """The answer of the first rule of a level whose word the text has, read as a person reads them."""
    for i, rule in enumerate(rules):
        if rule.level != level or (rule.word is not None and not text[rule.word]):
            continue
        return follow(rules[i + 1 :], text, level + 1) if rule.answer is None else rule.answer
    raise AssertionError("no rule for this text")


def test_a_word_is_there_however_often_and_wherever_it_stands() -> None:
    found = word_presence(TEXTS, 6).toarray()
    assert found.tolist() == [[float(word in text) for word in range(6)] for text in TEXTS]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_first_rule_is_that_with_the_largest_fall_of_the_impurity(seed: int) -> None:
    words, answers = random_words(seed)
    kept = []
    for column in words.T:
        sides = [answers[column == x] for x in (0, 1)]
        kept.append(sum(len(side) * gini(side) for side in sides))
    tree = Tree(word_presence([np.flatnonzero(row) for row in words], 8), answers, 2)
    first, rest = tree.rules()
    assert tree.size == 2 and first.word == int(np.argmin(kept)) and rest.word is None
    for rule, has in ((first, 1), (rest, 0)):
        side = Counter(answers[words[:, first.word] == has].tolist())
        assert (rule.level, rule.texts, rule.answer) == (0, side.total(), side.most_common(1)[0][0])
        assert rule.share == pytest.approx(max(side.values()) / side.total())


@pytest.mark.parametrize("leaves", [2, 5, 12, 40])
def test_the_rules_read_in_order_give_the_answers_of_the_tree(leaves: int) -> None:
    words, answers = random_words(3)
    tree = Tree(words, answers, leaves)
    rules = list(tree.rules())
    assert [follow(rules, text) for text in words] == tree.answer(words).tolist()
    assert sum(rule.answer is not None for rule in rules) == tree.size == min(leaves, tree.size)
    assert sum(rule.texts for rule in rules if rule.answer is not None) == len(words)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_weight_is_what_a_word_adds_to_the_logit_of_its_class(classes: int) -> None:
    words, answers = random_words(4)
    answers = answers % classes
    model = Linear(words, answers, np.array([1, 2, 4]))
    weights = {label: dict(row) for label, row in model.weights().items()}
    assert model.size == 3 and set(weights) == set(range(classes))
    for label, row in model.weights().items():
        assert [x for _, x in row] == sorted((x for _, x in row), reverse=True) and set(weights[label]) == {1, 2, 4}
    for place, word in enumerate((1, 2, 4)):
        bare, having = np.zeros((1, 3)), np.zeros((1, 3))
        having[0, place] = 1
        shares = [model.model.predict_log_proba(x)[0] for x in (bare, having)]
        gain = shares[1] - shares[0]
        expected = weights[1][word] - weights[0][word]
        assert gain[1] - gain[0] == pytest.approx(expected)


def test_words_that_matter_are_ranked_first_and_no_more_are_returned() -> None:
    words, answers = random_words(5, texts=600)
    assert set(rank_words(words, answers, 3).tolist()) == {1, 2, 4}
    assert rank_words(words, answers, 3)[0] == 1 and len(set(rank_words(words, answers, 8).tolist())) == 8
    assert rank_words(words, answers, 2).tolist() == rank_words(words, answers, 8)[:2].tolist()


def test_of_words_that_enter_together_the_one_with_the_larger_weight_is_first() -> None:
    answers = np.repeat([0, 1, 2], 100)
    words = np.zeros((300, 3))
    words[:95, 0] = words[100:200, 1] = 1  # all of class 1 have word 1, 95 % of class 0 have word 0
    assert rank_words(words, answers, 2).tolist() == [1, 0] and rank_words(words, answers, 1).tolist() == [1]
