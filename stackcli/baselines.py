"""What a stack must beat: the commonest class, and a bag of words."""

import re

import numpy as np

from stackcli.data.base import Examples, Loaded
from stackcli.record import Facts

WORDS = (r"(?u)\b\w\w+\b", r"(?u)\b\w+\b")  # scikit-learn's; for texts that have no such word, of one letter too


def facts(name: str, fingerprint: str, loaded: Loaded) -> Facts:
    """Sizes, class shares and baselines of a data set."""
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
        tfidf_acc=bag_of_words(loaded) if loaded.text else None,
        notices=loaded.notices,
        every=loaded.every,
        causal=loaded.causal,
        tree=bool(loaded.train.trees),
        treeless=loaded.treeless,
        max_len=loaded.max_len,
        vectors=None if loaded.vectors is None else loaded.vectors.shape[1],
        entropy=loaded.entropy,
    )


def shares(examples: Examples, classes: tuple[str, ...]) -> dict[str, float]:
    """Share of each class in a part."""
    counts = examples.counts(len(classes))
    return {name: float(n / counts.sum()) for name, n in zip(classes, counts, strict=True)}


def majority(loaded: Loaded) -> float:
    """Test accuracy of always answering the training part's commonest class."""
    trained, counts = (part.counts(len(loaded.classes)) for part in (loaded.train, loaded.test))
    commonest = set(np.flatnonzero(trained == trained.max()).tolist())
    first = next(c for c in loaded.train.answers if c in commonest)  # of several, the one met first
    return float(counts[first] / counts.sum())


def bag_of_words(loaded: Loaded) -> float | None:
    """Test accuracy of TF-IDF (log counts) and logistic regression, its strength chosen on the validation part; None
    where the texts have no words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits

    word = next((w for w in WORDS if any(re.search(w, text) for text in loaded.train.texts)), None)
    if word is None:
        return None
    models = [
        make_pipeline(TfidfVectorizer(sublinear_tf=True, token_pattern=word), LogisticRegression(C=c, max_iter=1000))
        for c in (1.0, 10.0, 100.0)
    ]
    with threadpool_limits(1):  # more threads are slower here, and far slower where the machine is busy
        for model in models:
            model.fit(loaded.train.texts, loaded.train.labels)
        best = max(models, key=lambda m: float(m.score(loaded.val.texts, loaded.val.labels)))
        return float(best.score(loaded.test.texts, loaded.test.labels))
