"""Baselines that a stack should beat: the most common class, and a bag of words."""

from collections.abc import Iterable, Sequence

import numpy as np

from stackcli.common.records import Facts
from stackcli.data._tokens import RESERVED, UNKNOWN
from stackcli.data.base import Examples, Loaded

LONGEST_EXAMPLE = 80  # characters
STRENGTHS = (1.0, 10.0, 100.0)  # values of scikit-learn's C, of the logistic regression


def facts(name: str, fingerprint: str, loaded: Loaded) -> Facts:
    """Returns the sizes, class shares and baselines of a data set."""
    bag = bag_of_words(loaded) if loaded.text else None
    named = {"train": loaded.train, "val": loaded.val, "test": loaded.test}
    return Facts(
        name=name,
        fingerprint=fingerprint,
        text=loaded.text,
        sizes={part: len(examples) for part, examples in named.items()},
        shares={part: shares(examples, loaded.classes) for part, examples in named.items()},
        vocab=len(loaded.vocab),
        classes=loaded.classes,
        majority_acc=majority(loaded),
        tfidf_acc=None if bag is None else sum(bag) / len(bag),
        tfidf_right="" if bag is None else answers_text(bag),
        notices=loaded.notices,
        every=loaded.every,
        causal=loaded.causal,
        tree=bool(loaded.train.trees),
        treeless=loaded.treeless,
        max_len=loaded.max_len,
        vectors=None if loaded.vectors is None else loaded.vectors.shape[1],
        entropy=loaded.entropy,
        unknown=loaded.vocab[UNKNOWN : UNKNOWN + 1] == RESERVED[UNKNOWN:],
        example=example_text(loaded.test.texts) if loaded.text else "",
    )


def example_text(texts: Sequence[str]) -> str:
    """Returns the first text that can be typed on one line, or else the beginning of the first text."""
    short = (text for text in texts if 0 < len(text) <= LONGEST_EXAMPLE and text.isprintable())
    return next(short, " ".join("".join(texts[:1]).split())[:LONGEST_EXAMPLE].rpartition(" ")[0])


def shares(examples: Examples, classes: tuple[str, ...]) -> dict[str, float]:
    """Returns the share of each class in a part."""
    counts = examples.counts(len(classes))
    return {name: float(n / counts.sum()) for name, n in zip(classes, counts, strict=True)}


def majority(loaded: Loaded) -> float:
    """Returns the test accuracy of always answering the most common class of the training part; of several, the one
    that comes first there."""
    trained, counts = (part.counts(len(loaded.classes)) for part in (loaded.train, loaded.test))
    most_common = set(np.flatnonzero(trained == trained.max()).tolist())
    first = next(c for c in loaded.train.answers if c in most_common)
    return float(counts[first] / counts.sum())


def bag_of_words(loaded: Loaded) -> list[bool] | None:
    """Returns for each test item whether TF-IDF (log counts) with logistic regression answers it correctly.

    Its input is that of a stack, the token ids of `loaded`, so both see the same tokens, cut texts, minimum count, size
    and noise; the unknown word is a token like any other. C is chosen on the validation part. Returns None for data
    with an answer at every token.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits

    if not loaded.train.labels:
        return None
    models = [
        make_pipeline(TfidfVectorizer(analyzer=_ids, sublinear_tf=True), LogisticRegression(C=c, max_iter=1000))
        for c in STRENGTHS
    ]
    with threadpool_limits(1):  # more threads are slower here, and far slower where the machine is busy
        for model in models:
            model.fit(loaded.train.tokens, loaded.train.labels)
        best = max(models, key=lambda m: float(m.score(loaded.val.tokens, loaded.val.labels)))
        predicted = best.predict(loaded.test.tokens)
    return [bool(answer == label) for answer, label in zip(predicted, loaded.test.labels, strict=True)]


def _ids(tokens: Sequence[int]) -> Sequence[int]:
    """The analyser of `TfidfVectorizer`: the words of an item are its token ids."""
    return tokens


def answers_text(right: Iterable[bool]) -> str:
    """Returns right and wrong answers as a string of 1 and 0, a character for each item."""
    return "".join("01"[bool(answer)] for answer in right)
