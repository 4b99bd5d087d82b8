"""Surrogates of a trained run: a decision tree and a sparse linear model on words, fitted to the answers of its stack.

They are fitted to the answers to the training texts, not to the labels, and measured on the test texts, which choose
nothing. Fidelity: the share of texts where the surrogate answers what the stack answers. Accuracy: the share where it
answers what is right. A surrogate can be right where the stack is wrong; then it is the less faithful for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stackcli.analysis.statistics import wilson
from stackcli.data._tokens import RESERVED
from stackcli.diagnostics.surrogate_models import Ints, Linear, Surrogate, Tree, rank_words, word_presence
from stackcli.experiment.trained_run import Run, load_data

if TYPE_CHECKING:
    from stackcli.data.base import Examples

KINDS = ("tree", "linear")
SIZES = {"tree": (2, 4, 8, 16, 32, 64), "linear": (5, 10, 20, 40, 80, 160)}  # of the figure


@dataclass(frozen=True)
class Asked:
    """kinds: of surrogates; sizes: the leaves of the tree and the words of the linear model that are reported."""

    kinds: Sequence[str]
    sizes: dict[str, int]

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise ValueError(f"--kind {kind}: no such surrogate; choose from {', '.join(KINDS)}")


@dataclass(frozen=True)
class Part:
    """Texts as surrogates read them: their words, sparse (N, V); the answers of the stack and the labels, (N,)."""

    words: Any
    said: Ints
    labels: Ints

    def measure(self, answers: Ints) -> dict[str, Any]:
        """Returns fidelity and accuracy of these answers, each with its 95 % interval over texts."""
        return {"fidelity": share(answers == self.said), "accuracy": share(answers == self.labels)}


def share(hits: Any) -> dict[str, float]:
    """Returns the share of texts that are hit and its 95 % interval (Wilson)."""
    found = wilson(int(np.sum(hits)), len(hits))
    return {"mean": found.mean, "low": found.low, "high": found.high}


def make_surrogates(run: Run, asked: Asked) -> dict[str, Any]:
    """Fits surrogates to a run and returns everything that is reported. Raises ValueError for a run with answers at
    every token, and for one that gives every training text the same answer."""
    if run.model.every:
        raise ValueError(f"{run.name} answers at every token; a surrogate needs a run with one answer for each text")
    loaded = load_data(run)
    train, test = (read_part(run, part, loaded.vocab) for part in (loaded.train, loaded.test))
    kinds, counts = np.unique(train.said, return_counts=True)
    if len(kinds) < 2:
        only = loaded.classes[kinds[0]]
        raise ValueError(
            f"{run.name} answers {only} to every training text, so there is nothing for a surrogate to fit"
        )
    most = int(kinds[counts.argmax()])
    always = test.measure(np.full(len(test.said), most))
    return {
        "run": run.name,
        "unit": "text" if loaded.text else "sequence",
        "texts": {"train": len(train.said), "test": len(test.said)},
        "stack": {"accuracy": share(test.said == test.labels)},
        "majority": {"answer": loaded.classes[most], **always},
        "surrogates": {kind: fit_kind(kind, asked.sizes[kind], train, test, loaded) for kind in asked.kinds},
    }


def read_part(run: Run, examples: "Examples", vocab: Sequence[str]) -> Part:
    """Lets the stack of a run answer a part of its data. Words leave out padding and unknown words."""
    words = word_presence(examples.tokens, len(vocab))
    read = np.array([name not in RESERVED for name in vocab], dtype=float)
    return Part(words.multiply(read).tocsr(), answers_of(run, examples), np.array(examples.labels))


def answers_of(run: Run, examples: "Examples") -> Ints:
    """Returns the class that the stack of a run gives each text, (N,)."""
    from stackcli.training.batching import Padded
    from stackcli.training.evaluation import answers

    part = Padded(examples, max_len=int(run.known["max_len"]), device="cpu", masked=True)
    out = np.zeros(len(part), dtype=np.int64)
    out[part.shortest_first] = answers(run.model, part, full=run.config.pad == "max").said
    return out


def fit_kind(kind: str, size: int, train: Part, test: Part, loaded: Any) -> dict[str, Any]:
    """Fits the surrogates of one kind: that of the size that is asked for, and those of the sizes of the figure."""
    from threadpoolctl import threadpool_limits

    sizes = sorted({*SIZES[kind], size})
    with threadpool_limits(1):  # more threads are slower on data of this size
        fitted = fit_trees(train, sizes) if kind == "tree" else fit_linear(train, sizes)
        measured = {n: {"size": model.size, **test.measure(model.answer(test.words))} for n, model in fitted.items()}
    chosen = fitted[size]
    said = describe_tree(chosen, loaded) if isinstance(chosen, Tree) else describe_linear(chosen, loaded)
    return {**measured[size], **said, "curve": distinct_sizes(list(measured.values()))}


def fit_trees(train: Part, sizes: Sequence[int]) -> dict[int, Surrogate]:
    """Returns a tree of each size, in leaves at most."""
    return {n: Tree(train.words, train.said, n) for n in sizes}


def fit_linear(train: Part, sizes: Sequence[int]) -> dict[int, Surrogate]:
    """Returns a linear model of each size, in words at most: the first of one ranking."""
    ranked = rank_words(train.words, train.said, max(sizes))
    return {n: Linear(train.words, train.said, ranked[:n]) for n in sizes}


def distinct_sizes(curve: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the points of a curve without those that are as large as the one before: nothing was left to add."""
    return list({point["size"]: point for point in curve}.values())


def describe_tree(tree: Tree, loaded: Any) -> dict[str, Any]:
    """The rules of a tree with the names of words and classes."""
    rows = []
    for rule in tree.rules():
        word = None if rule.word is None else loaded.vocab[rule.word]
        answer = None if rule.answer is None else loaded.classes[rule.answer]
        rows.append({"level": rule.level, "word": word, "answer": answer, "share": rule.share, "texts": rule.texts})
    return {"rules": rows}


def describe_linear(model: Any, loaded: Any) -> dict[str, Any]:
    """The weights of a linear model with the names of words and classes, the largest first."""
    found = model.weights()
    return {"weights": {loaded.classes[c]: [(loaded.vocab[w], x) for w, x in row] for c, row in found.items()}}


def draw_surrogates(report: dict[str, Any], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws fidelity beside accuracy against size and returns the files."""
    from stackcli.figures._figure import save
    from stackcli.figures._surrogate import draw_surrogate

    figure = draw_surrogate(report)
    return list(save(figure, folder / "surrogate", formats)) if figure is not None else []
