"""Explanations of a trained run: what each token of a text adds to an answer, by several methods, and how faithful they
are.

Texts come from the command line, from a file, or from the test part of the run's own data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common import registry
from stackcli.config.defaults import part_defaults
from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.experiment.predict import build_trained, encode_questions, rank_classes, read_questions
from stackcli.experiment.store import Store

if TYPE_CHECKING:
    from stackcli.diagnostics.explained_texts import ExplainedTexts
    from stackcli.model.batch import Batch
    from stackcli.model.stack import StackedAttention

AT_ONCE = 16  # texts in a batch
AGREEMENT = 1e-5  # largest difference between the logits of the two attention kernels


@dataclass(frozen=True)
class Item:
    """A text to explain: its tokens as the run reads them, their ids, the index of each token's parent where the data
    have trees, its true class where it is known, and how many of its tokens the run does not read (`cut`)."""

    name: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    tree: tuple[int, ...] = ()
    label: int | None = None
    cut: int = 0


@dataclass(frozen=True)
class Scores:
    """What a method says of one text.

    words, positions: what each token adds to the logit by the word itself, and by its position before block 1 (None
    where the method does not tell them apart). error: how far the sum is from what it is compared with, as a share;
    None without such a sum. steps: points of an integral. deletion: area under the logit as tokens are left out, from
    the one that speaks most for the class on, less the mean of random orders: the lower, the more faithful. insertion:
    the same as they are put in: the higher, the more faithful. comprehensiveness, sufficiency: of the first fifth.
    """

    words: tuple[float, ...]
    positions: tuple[float, ...] | None
    error: float | None
    steps: int
    deletion: float
    insertion: float
    comprehensiveness: float
    sufficiency: float

    @property
    def tokens(self) -> tuple[float, ...]:
        """The whole of each token."""
        if self.positions is None:
            return self.words
        return tuple(word + position for word, position in zip(self.words, self.positions, strict=True))


@dataclass(frozen=True)
class Explanation:
    """The answers to a text, likeliest first, the class that is explained and its logit, the scores by method, and what
    each head looks at (a `HeadLook` each; none if the weights may be negative)."""

    item: Item
    shares: dict[str, float]
    explained: str
    logit: float
    scores: Mapping[str, Scores]
    heads: list[dict[str, Any]]

    @property
    def row(self) -> dict[str, Any]:
        """The explanation as a row of `--json`."""
        signed = {name: registry.load_part("explain", name).signed for name in self.scores}
        methods = {name: {**asdict(s), "tokens": s.tokens, "signed": signed[name]} for name, s in self.scores.items()}
        return {
            "text": self.item.name,
            "tokens": self.item.tokens,
            "cut": self.item.cut,
            "probability": self.shares,
            "explained": self.explained,
            "logit": self.logit,
            "methods": methods,
            "heads": self.heads,
        }


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


def items_of_texts(run: Run, texts: Sequence[str]) -> list[Item]:
    """Reads texts as the run read its own data; `-` is stdin. Raises ValueError for a blank text."""
    questions = read_questions(run.config, texts, run.name) if texts else []
    if any(not question.tokens for question in questions):
        raise ValueError("a blank text has no tokens to explain")
    encoded = encode_questions(run.config, run.known, questions)
    pairs = zip(questions, encoded, strict=True)
    return [Item(q.text, tokens, ids, q.tree, cut=len(q.tokens) - len(tokens)) for q, (tokens, ids) in pairs]


def items_of_test(run: Run, numbers: Sequence[int]) -> list[Item]:
    """Takes items of the test part of the run's data, by number. Raises ValueError for a number that it does not have,
    and for data that have changed since the run was trained."""
    if not numbers:
        return []
    data = run.config.data
    loaded = run.loaded or registry.build_part("data", data.name, **data.options).load()
    if list(loaded.vocab) != list(run.known["vocab"]):
        raise ValueError(f"the data of {run.name} have changed since it was trained; give a text with --text")
    test, out = loaded.test, []
    for number in numbers:
        if not 0 <= number < len(test):
            raise ValueError(f"--index {number}: the test part has items 0 to {len(test) - 1}")
        ids = tuple(int(i) for i in test.tokens[number])
        tree = tuple(int(i) for i in test.trees[number]) if test.trees else ()
        label = int(test.labels[number]) if test.labels else None
        names = tuple(run.known["vocab"][i] for i in ids)
        out.append(Item(test.texts[number] or f"test item {number}", names, ids, tree, label))
    return out


def explain_items(
    run: Run, items: Sequence[Item], methods: Sequence[str], *, target: str = ""
) -> Iterator[Explanation]:
    """Yields the explanation of each item, in order. target: the class whose logit is explained; by default the one
    that the run answers. Raises ValueError for a class that the run does not have, for a method that does not go with
    the stack, and where the two attention kernels disagree."""
    if target and target not in run.classes:
        raise ValueError(f"--target {target}: this run has the classes {', '.join(run.classes)}")
    parts = {name: registry.build_part("explain", name, **part_defaults("explain", name)) for name in methods}
    order = sorted(range(len(items)), key=lambda i: len(items[i].ids))
    found: dict[int, Explanation] = {}
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        found |= dict(zip(some, _explain_batch(run, [items[i] for i in some], parts, target), strict=True))
    yield from (found[i] for i in range(len(items)))


def _explain_batch(run: Run, items: Sequence[Item], parts: Mapping[str, Any], target: str) -> list[Explanation]:
    import torch

    from stackcli.diagnostics.attention_maps import describe_heads
    from stackcli.diagnostics.explained_texts import ExplainedTexts, has_shares
    from stackcli.diagnostics.faithfulness import random_area

    classes = torch.full((len(items),), run.classes.index(target)) if target else None
    texts = ExplainedTexts(run.model, _batch(run, items), classes)
    if (apart := texts.kernel_difference()) > AGREEMENT:
        raise ValueError(f"the two attention kernels differ by {apart:.1g} in the logits, more than {AGREEMENT:g}")
    maps = texts.attention() if has_shares(run.model) else []
    at_random = random_area(texts)
    scores = {name: _score(texts, method, at_random) for name, method in parts.items()}
    shares, out = texts.logits.softmax(-1).tolist(), []
    logits = texts.pick_class(texts.logits).tolist()
    for i, item in enumerate(items):
        ranked = rank_classes(run.classes, shares[i])
        explained = run.classes[int(texts.classes[i])]
        own = {name: found[i] for name, found in scores.items()}
        heads = [look._asdict() for look in describe_heads([w[i : i + 1] for w in maps], texts.mask[i : i + 1])]
        out.append(Explanation(item, ranked, explained, logits[i], own, heads))
    return out


def draw_attention_maps(run: Run, items: Sequence[Item], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws the attention weights of each text and returns the files; none for a kind whose weights may be negative."""
    from stackcli.diagnostics.explained_texts import ExplainedTexts, has_shares
    from stackcli.figures._attention import draw_attention
    from stackcli.figures._figure import save

    if not has_shares(run.model):
        return []
    files = []
    for number, item in enumerate(items, start=1):
        maps = [weights[0].numpy() for weights in ExplainedTexts(run.model, _batch(run, [item])).attention()]
        figure = draw_attention(maps, item.tokens)
        if figure is not None:
            files += save(figure, folder / f"attention-{number}", formats)
    return files


def _batch(run: Run, items: Sequence[Item]) -> "Batch":
    """Returns the texts of a batch, as a part of the data is cut."""
    import numpy as np

    from stackcli.data.base import Examples
    from stackcli.training.batching import Padded

    trees = tuple(item.tree for item in items) if all(item.tree for item in items) else ()
    examples = Examples(tuple(item.ids for item in items), (0,) * len(items), ("",) * len(items), trees=trees)
    part = Padded(examples, max_len=int(run.known["max_len"]), device="cpu", masked=True)
    return part.cut(np.arange(len(items)))


def _score(texts: "ExplainedTexts", method: Any, at_random: Any) -> list[Scores]:
    """Returns the scores of one method for each text of a batch. at_random: the area of random orders, (B,)."""
    from stackcli.diagnostics import faithfulness as faith

    found = method.attribute(texts)
    rank = faith.rank_tokens(found.tokens, texts.mask)
    deleted, inserted = faith.delete_tokens(texts, rank), faith.insert_tokens(texts, rank)
    lengths = texts.mask.sum(1).tolist()
    errors = [None] * len(lengths) if found.error is None else found.error.tolist()
    out = []
    for i, n in enumerate(lengths):
        count = max(1, round(n / 5))
        out.append(
            Scores(
                words=tuple(found.words[i, :n].tolist()),
                positions=None if found.positions is None else tuple(found.positions[i, :n].tolist()),
                error=errors[i],
                steps=found.steps,
                deletion=float(deleted.area[i] - at_random[i]),
                insertion=float(inserted.area[i] - at_random[i]),
                comprehensiveness=float(faith.comprehensiveness(deleted, count)[i]),
                sufficiency=float(faith.sufficiency(inserted, count)[i]),
            )
        )
    return out
