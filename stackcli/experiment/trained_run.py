"""A trained run and the texts that it is asked to explain.

Texts come from the command line, from a file, or from the test part of the run's own data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.data.base import Examples, Loaded
from stackcli.experiment.predict import build_trained, encode_questions, read_questions
from stackcli.experiment.store import Store

if TYPE_CHECKING:
    from stackcli.model.batch import Batch
    from stackcli.model.stack import StackedAttention


@dataclass(frozen=True)
class Item:
    """A text to explain: its tokens as the run reads them, their ids, the index of each token's parent where the data
    have trees, its true class where it is known, how many of its tokens the run does not read (`cut`), and the indices
    of the tokens that decide where the data know them."""

    name: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    tree: tuple[int, ...] = ()
    label: int | None = None
    cut: int = 0
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True)
class Run:
    """A trained run, ready to be explained. model: an `exact_copy`; loaded: its data, where they had to be loaded."""

    name: str
    config: Config
    known: dict[str, Any]
    model: "StackedAttention"
    loaded: Loaded | None

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.known["classes"])

    def untrained(self, seed: int) -> "StackedAttention":
        """A stack of the same settings with fresh weights."""
        from stackcli.diagnostics.explained_texts import exact_copy
        from stackcli.model.build import build

        sizes = {"vocab": len(self.known["vocab"]), "classes": len(self.classes), "max_len": self.known["max_len"]}
        return exact_copy(build(replace(self.config, seed=seed), **sizes, every=self.model.every))


def open_run(out: Path, run: str) -> Run:
    """Loads a run with its weights. Raises ValueError for an unknown run, for one without weights, for data that have
    several answers at a token, and for a stack whose tokens look at padding."""
    from stackcli.data.base import TextData
    from stackcli.data.conllu import Conllu
    from stackcli.data.text import Text
    from stackcli.diagnostics.explained_texts import exact_copy

    store = Store(out, create=False)
    name = store.find(run)
    config, known, state = store.load_weights(name)
    if config.mask == "none":
        raise ValueError(
            f"{name} has mask=none: its answers depend on padding; a run with mask=padding can be explained"
        )
    source, loaded = registry.build_part("data", config.data.name, **config.data.options), None
    every = isinstance(source, Text)
    if not isinstance(source, TextData | Conllu | Text):  # other data say what they ask for when they are loaded
        loaded = source.load()
        every = loaded.every
        if loaded.outputs > 1:
            raise ValueError(f"{name} gives several answers at each token; runs with one answer can be explained")
    return Run(name, config, known, exact_copy(build_trained(config, known, state, every=every)), loaded)


def read_items(
    run: Run, texts: Sequence[str], numbers: Sequence[int], file: Path | None = None, column: str = ""
) -> list[Item]:
    """Reads items from texts, from the test part by number, and from a file. Raises ValueError where there are none."""
    if column and not file:
        raise ValueError(f"--column {column}: a column of a file; write --file FILE as well")
    items = items_of_texts(run, texts) + items_of_test(run, numbers)
    items += items_of_file(run, file, column) if file else []
    if not items:
        raise ValueError("nothing to explain; give --text, --index or --file")
    return items


def items_of_texts(run: Run, texts: Sequence[str]) -> list[Item]:
    """Reads texts as the run read its own data; `-` is stdin. Raises ValueError for a blank text."""
    questions = read_questions(run.config, texts, run.name) if texts else []
    if any(not question.tokens for question in questions):
        raise ValueError("a blank text has no tokens")
    encoded = encode_questions(run.config, run.known, questions)
    pairs = zip(questions, encoded, strict=True)
    return [Item(q.text, tokens, ids, q.tree, cut=len(q.tokens) - len(tokens)) for q, (tokens, ids) in pairs]


def items_of_file(run: Run, path: Path, column: str = "") -> list[Item]:
    """Reads the texts of a column of a CSV, TSV or JSON lines file, by default the column that the run's own data have.
    Raises DataError for a file without it."""
    from stackcli.data.base import TextData, read_table

    source = registry.build_part("data", run.config.data.name, **run.config.data.options)
    if not isinstance(source, TextData):
        raise ValueError(f"--file: {run.name} was trained on data={run.config.data.name}, which reads no such files")
    name = column or source.text
    rows, _ = read_table(str(path), name, name)
    return items_of_texts(run, [text for text, _ in rows])


def items_of_test(run: Run, numbers: Sequence[int]) -> list[Item]:
    """Takes items of the test part of the run's data, by number. Raises ValueError for a number that it does not have,
    and for data that have changed since the run was trained."""
    if not numbers:
        return []
    test, out = load_data(run).test, []
    for number in numbers:
        if not 0 <= number < len(test):
            raise ValueError(f"--index {number}: the test part has items 0 to {len(test) - 1}")
        ids = tuple(int(i) for i in test.tokens[number])
        tree = tuple(int(i) for i in test.trees[number]) if test.trees else ()
        label = int(test.labels[number]) if test.labels else None
        names = tuple(run.known["vocab"][i] for i in ids)
        evidence = test.evidence[number] if test.evidence else ()
        out.append(Item(test.texts[number] or f"test item {number}", names, ids, tree, label, evidence=evidence))
    return out


def load_data(run: Run) -> Loaded:
    """Returns a run's data. Raises ValueError for data that have changed since it was trained."""
    data = run.config.data
    loaded: Loaded = run.loaded or registry.build_part("data", data.name, **data.options).load()
    if list(loaded.vocab) != list(run.known["vocab"]):
        raise ValueError(f"the data of {run.name} have changed since it was trained; its test part is another")
    return loaded


def make_batch(run: Run, items: Sequence[Item]) -> "Batch":
    """Returns the texts of a batch, as a part of the data is cut."""
    import numpy as np

    from stackcli.training.batching import Padded

    trees = tuple(item.tree for item in items) if all(item.tree for item in items) else ()
    examples = Examples(tuple(item.ids for item in items), (0,) * len(items), ("",) * len(items), trees=trees)
    part = Padded(examples, max_len=int(run.known["max_len"]), device="cpu", masked=True)
    return part.cut(np.arange(len(items)))
