"""Baselines: a bag of words that reads the tokens of a stack, and the commonest class."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from stackcli.common import registry
from stackcli.data.base import Examples, Loaded
from stackcli.training import baselines


def loaded(tokens: tuple[tuple[int, ...], tuple[int, ...]], n: int = 60) -> Loaded:
    """Two classes whose items have these tokens."""
    part = Examples(tuple(tokens[i % 2] for i in range(n)), tuple(i % 2 for i in range(n)), ("same text",) * n)
    return Loaded(part, part, part, ("<pad>", "<unk>", "a", "b", "c"), ("one", "two"), 4, True)


def by_hand(data: Loaded) -> dict[float, tuple[float, list[bool]]]:
    """Strength -> (validation accuracy, which test items are answered correctly): log counts, smoothed inverse document
    frequency, rows of length 1, all in NumPy."""
    width = len(data.vocab)

    def counts(part: Examples) -> np.ndarray:
        rows = np.zeros((len(part), width))
        for row, tokens in zip(rows, part.tokens, strict=True):
            for token, n in Counter(tokens).items():
                row[token] = 1 + np.log(n)
        return rows

    train, val, test = map(counts, (data.train, data.val, data.test))
    weight = np.log((1 + len(train)) / (1 + (train > 0).sum(0))) + 1
    weight[(train == 0).all(0)] = 0  # never seen in training
    rows = [part * weight for part in (train, val, test)]
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in rows]
    train, val, test = map(csr_matrix, unit)  # sparse, as the regression of dense rows takes ten times as long
    out = {}
    for c in (1.0, 10.0, 100.0):
        model = LogisticRegression(C=c, max_iter=1000).fit(train, data.train.labels)
        right = (model.predict(test) == np.array(data.test.labels)).tolist()
        out[c] = float(model.score(val, data.val.labels)), right
    return out


def test_the_bag_of_words_reads_the_tokens_and_not_the_texts() -> None:
    right = baselines.bag_of_words(loaded(((2, 3), (2, 4))))
    assert right == [True] * 60
    same = baselines.bag_of_words(loaded(((2, 3), (3, 2))))
    assert same is not None and sum(same) == 30  # order is not seen


def test_the_bag_of_words_uses_the_unknown_word_as_a_token() -> None:
    assert baselines.bag_of_words(loaded(((2, 1), (2, 2)))) == [True] * 60


@pytest.mark.parametrize("options", [{}, {"max_len": 6, "min_count": 3, "size": 600, "noise": 0.1}])
def test_the_answers_of_the_bag_of_words_equal_those_worked_out_by_hand(options: dict[str, float]) -> None:
    data = registry.build_part("data", "subjects", **options).load()
    found, right = by_hand(data), baselines.bag_of_words(data)
    assert right == max(found.values(), key=lambda pair: pair[0])[1]
    assert options or (len(right), sum(right)) == (334, 281)  # 84 % of the corpus, as the README says


def test_the_bag_of_words_does_not_read_beyond_max_len(tmp_path: Path) -> None:
    rows = "".join(f"{'same ' * 5}{'left' if i % 2 else 'right'} {i},{'ab'[i % 2]}\n" for i in range(200))
    (tmp_path / "x.csv").write_text("text,label\n" + rows)
    cut, whole = (
        registry.build_part("data", "csv", path=str(tmp_path / "x.csv"), max_len=n, min_count=2).load() for n in (5, 6)
    )
    right = baselines.bag_of_words(whole)
    assert right is not None and all(right)
    few = baselines.bag_of_words(cut)
    assert few is not None and sum(few) / len(few) < 0.7


def test_facts_list_which_items_are_answered_correctly() -> None:
    facts = baselines.facts("x", "", loaded(((2, 3), (2, 4)), 10))
    assert facts.tfidf_right == "1" * 10 and facts.tfidf_acc == 1.0
    half = baselines.facts("x", "", loaded(((2, 3), (3, 2)), 10))
    assert half.tfidf_right in ("10" * 5, "01" * 5) and half.tfidf_acc == 0.5


def test_data_with_an_answer_at_every_token_have_no_bag_of_words() -> None:
    part = Examples(((2, 3),) * 4, (), ("",) * 4, targets=((0, 1),) * 4)
    assert baselines.bag_of_words(Loaded(part, part, part, ("a",), ("one", "two"), 4, True, every=True)) is None


def test_always_answering_the_commonest_of_two_equal_classes_is_right_half_of_the_time() -> None:
    assert baselines.majority(loaded(((2,), (3,)))) == 0.5


def test_the_commonest_class_is_counted_in_the_training_part_and_of_equal_ones_the_first_is_answered() -> None:
    def accuracy(train: tuple[int, ...], test: tuple[int, ...]) -> float:
        parts = [Examples(((2,),) * len(labels), labels, ("",) * len(labels)) for labels in (train, test)]
        return baselines.majority(
            Loaded(parts[0], parts[0], parts[1], ("<pad>", "<unk>", "a"), ("one", "two"), 4, True)
        )

    assert accuracy((0, 1, 1), (1, 0, 0, 0)) == 0.25
    assert accuracy((1, 0), (1, 1, 0)) == 2 / 3


def test_shares_of_classes_include_a_class_that_the_part_lacks() -> None:
    part = Examples(((2,),) * 4, (0, 2, 2, 2), ("",) * 4)
    assert baselines.shares(part, ("a", "b", "c")) == {"a": 0.25, "b": 0.0, "c": 0.75}
