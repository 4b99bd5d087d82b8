"""Surrogates: models that people can read, fitted to the answers of another model. Craven and Shavlik 1996, NeurIPS 8.

A decision tree and a sparse linear model. Their input says of each text which words it has, and nothing of the order
or number of its words. N texts, V words, C classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
STEP = 1.25  # from one strength of the L1 path to the next weaker one
STRENGTHS = 60  # strengths at most
STRENGTH = 10.0  # scikit-learn's C of the linear model that is fitted to the chosen words


@dataclass(frozen=True)
class Rule:
    """A line of a tree: what a text without any of the words above it on its level, but with `word`, is answered.

    level: 0 for the outermost; word: index of the word, None for the texts that have none of the words above; answer:
    the class, None where the rules of the next level decide; share: of the `texts` training texts that the line is
    about, those that the model gives this answer."""

    level: int
    word: int | None
    answer: int | None
    share: float
    texts: int


class Surrogate(Protocol):
    """A fitted surrogate. size: the leaves, or the words, that it has."""

    size: int

    def answer(self, words: Any) -> Ints:
        """Returns the class of each text, (N,), from the words that it has, sparse (N, V)."""


def word_presence(texts: Sequence[Any], vocab: int) -> Any:
    """Returns which words each text has, a sparse matrix (N, V) of 0 and 1, from the ids of its tokens."""
    from scipy.sparse import csr_matrix

    columns = [np.unique(np.asarray(ids)) for ids in texts]
    starts = np.cumsum([0, *map(len, columns)])
    flat = np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
    return csr_matrix((np.ones(len(flat)), flat, starts), shape=(len(texts), vocab))


class Tree:
    """A decision tree that is grown leaf by leaf, always where the Gini impurity falls most."""

    def __init__(self, words: Any, answers: Ints, leaves: int) -> None:
        from sklearn.tree import DecisionTreeClassifier

        self.model = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0).fit(words, answers)
        self.size = int(self.model.get_n_leaves())

    def answer(self, words: Any) -> Ints:
        found: Ints = self.model.predict(words)
        return found

    def rules(self, node: int = 0, level: int = 0) -> Iterator[Rule]:
        """Yields the rules: a text is answered by the first line of a level whose word it has."""
        tree, classes = self.model.tree_, self.model.classes_
        shares = tree.value[node][0]
        best = int(shares.argmax())
        without, having = int(tree.children_left[node]), int(tree.children_right[node])
        if without < 0:
            yield Rule(level, None, int(classes[best]), float(shares[best]), int(tree.n_node_samples[node]))
            return
        word, inner = int(tree.feature[node]), list(self.rules(having, level + 1))
        if len(inner) == 1:
            yield replace(inner[0], level=level, word=word)
        else:
            yield Rule(level, word, None, 1.0, int(tree.n_node_samples[having]))
            yield from inner
        yield from self.rules(without, level)


class Linear:
    """A logistic regression on the given words only; without any, always the most frequent answer."""

    def __init__(self, words: Any, answers: Ints, chosen: Ints) -> None:
        from sklearn.dummy import DummyClassifier
        from sklearn.linear_model import LogisticRegression

        self.chosen, self.size = chosen, len(chosen)
        self.model: Any = LogisticRegression(C=STRENGTH, max_iter=1000) if self.size else DummyClassifier()
        self.model.fit(words[:, chosen], answers)

    def answer(self, words: Any) -> Ints:
        found: Ints = self.model.predict(words[:, self.chosen])
        return found

    def weights(self) -> dict[int, list[tuple[int, float]]]:
        """Returns for each class its words and their weights, what a word adds to the logit of the class, the largest
        first. Of two classes, each has half of the weight of the one and the negative of the other."""
        rows = self.model.coef_ if self.size else np.zeros((len(self.model.classes_), 0))
        rows = np.concatenate([-rows / 2, rows / 2]) if len(rows) == 1 else rows
        out = {}
        for label, row in zip(self.model.classes_, rows, strict=True):
            order = np.argsort(-row, kind="stable")
            out[int(label)] = [(int(self.chosen[i]), float(row[i])) for i in order]
        return out


def rank_words(words: Any, answers: Ints, most: int) -> Ints:
    """Returns the indices of at most `most` words, in the order in which they enter logistic regressions of each class
    against the others as the L1 penalty is lowered (Tibshirani 1996); of words that enter together, the ones with the
    largest weights first. None enters where each word is as frequent with one answer as with the others."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import l1_min_c

    ranked: list[int] = []
    try:
        strength = float(l1_min_c(words, answers, loss="log"))
    except ValueError:  # every weight is 0 at every strength
        return np.array(ranked, dtype=np.int64)
    for _ in range(STRENGTHS):
        strength *= STEP
        one = LogisticRegression(C=strength, l1_ratio=1.0, solver="liblinear", random_state=0, max_iter=1000)
        each = OneVsRestClassifier(one).fit(words, answers).estimators_
        size = sum(np.abs(model.coef_[0]) for model in each)
        size[ranked] = 0.0
        ranked += [int(i) for i in np.argsort(-size, kind="stable") if size[i] > 0]
        if len(ranked) >= most:
            break
    return np.array(ranked[:most], dtype=np.int64)
