"""Explanations of a trained run: what each token of a text adds to an answer, by several methods, and how faithful they
are.

Texts come from the command line, from a file, or from the test part of the run's own data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.data import _tokens as words
from stackcli.experiment.predict import read_questions
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
    have trees, and its true class where it is known."""

    name: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    tree: tuple[int, ...] = ()
    label: int | None = None


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
        return (
            self.words
            if self.positions is None
            else tuple(a + b for a, b in zip(self.words, self.positions, strict=True))
        )


@dataclass(frozen=True)
class Explanation:
    """The answers to a text, likeliest first, the class that is explained and its logit, and the scores by method."""

    item: Item
    shares: dict[str, float]
    explained: str
    logit: float
    scores: Mapping[str, Scores]

    @property
    def row(self) -> dict[str, Any]:
        """The explanation as a row of `--json`."""
        signed = {name: registry.load_part("explain", name).signed for name in self.scores}
        methods = {name: {**asdict(s), "tokens": s.tokens, "signed": signed[name]} for name, s in self.scores.items()}
        return {
            "text": self.item.name,
            "tokens": self.item.tokens,
            "probability": self.shares,
            "explained": self.explained,
            "logit": self.logit,
            "methods": methods,
        }


@dataclass(frozen=True)
class Run:
    """A trained run, ready to be explained."""

    name: str
    config: Config
    known: dict[str, Any]
    model: "StackedAttention"

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.known["classes"])

    @property
    def language(self) -> bool:
        return self.config.data.name == "text"


def open_run(out: Path, run: str) -> Run:
    """Loads a run with its weights. Raises ValueError for an unknown run, for one without weights, and for data that
    have several answers at a token."""
    import torch

    from stackcli.data.base import TextData
    from stackcli.data.conllu import Conllu
    from stackcli.model.build import build

    store = Store(out, create=False)
    name = store.find(run)
    config, known, state = store.load_weights(name)
    torch.set_num_threads(config.threads)
    sizes = {"vocab": len(known["vocab"]), "classes": len(known["classes"]), "max_len": known["max_len"]}
    source = registry.build_part("data", config.data.name, **config.data.options)
    every = config.data.name == "text"
    if not (
        every or isinstance(source, TextData | Conllu)
    ):  # only such data say what they ask for when they are loaded
        loaded = source.load()
        if loaded.outputs > 1:
            raise ValueError(f"{name} gives several answers at each token; runs with one answer can be explained")
        every = loaded.every
    model = build(config, **sizes, every=every)
    model.load_state_dict(state)
    return Run(name, config, known, model.eval())


def items_of_texts(run: Run, texts: Sequence[str]) -> list[Item]:
    """Reads texts as the run read its own data; `-` is stdin. Raises ValueError for a blank text."""
    limit = int(run.config.data.options["train_len"]) if run.language else int(run.known["max_len"])
    vocab = {token: i for i, token in enumerate(run.known["vocab"])}
    out = []
    for question in read_questions(run.config, texts, run.name):
        if not question.tokens:
            raise ValueError("a blank text has no tokens to explain")
        tokens = question.tokens[-limit:] if run.language else question.tokens[:limit]
        ids = words.encode(tokens, vocab, limit)
        out.append(Item(question.text, tuple(tokens), tuple(ids), question.tree[:limit]))
    return out


def items_of_test(run: Run, numbers: Sequence[int]) -> list[Item]:
    """Takes items of the test part of the run's data, by number. Raises ValueError for a number that it does not have,
    and for data that have changed since the run was trained."""
    if not numbers:
        return []
    data = run.config.data
    loaded = registry.build_part("data", data.name, **data.options).load()
    if list(loaded.vocab) != list(run.known["vocab"]):
        raise ValueError(f"the data of {run.name} have changed since it was trained; give a text with --text")
    test, out = loaded.test, []
    for number in numbers:
        if not 0 <= number < len(test):
            raise ValueError(f"--index {number}: the test part has items 0 to {len(test) - 1}")
        ids = tuple(int(i) for i in test.tokens[number])
        tree = tuple(int(i) for i in test.trees[number]) if test.trees else ()
        names = tuple(run.known["vocab"][i] for i in ids)
        label = int(test.labels[number]) if test.labels else None
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
    parts = {name: registry.build_part("explain", name) for name in methods}
    order = sorted(range(len(items)), key=lambda i: len(items[i].ids))
    found: dict[int, Explanation] = {}
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        found |= dict(zip(some, _explain_batch(run, [items[i] for i in some], parts, target), strict=True))
    yield from (found[i] for i in range(len(items)))


def _explain_batch(run: Run, items: Sequence[Item], parts: Mapping[str, Any], target: str) -> list[Explanation]:
    import torch

    from stackcli.diagnostics.explained_texts import ExplainedTexts
    from stackcli.diagnostics.faithfulness import random_area

    classes = torch.full((len(items),), run.classes.index(target)) if target else None
    texts = ExplainedTexts(run.model, _batch(items), classes)
    if (apart := texts.kernel_difference()) > AGREEMENT:
        raise ValueError(f"the two attention kernels differ by {apart:.1g} in the logits, more than {AGREEMENT:g}")
    at_random = random_area(texts)
    scores = {name: _score(texts, method, at_random) for name, method in parts.items()}
    shares, out = texts.logits.softmax(-1).tolist(), []
    logits = texts.choose(texts.logits).tolist()
    for i, item in enumerate(items):
        ranked = dict(sorted(zip(run.classes, shares[i], strict=True), key=lambda pair: -pair[1]))
        explained = run.classes[int(texts.classes[i])]
        out.append(Explanation(item, ranked, explained, logits[i], {name: found[i] for name, found in scores.items()}))
    return out


def draw_attention_maps(run: Run, items: Sequence[Item], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws the attention weights of each text and returns the files; none for a kind whose weights may be negative."""
    from stackcli.diagnostics.explained_texts import ExplainedTexts
    from stackcli.figures._attention import draw_attention
    from stackcli.figures._figure import save

    if any(block.attention.pattern.signed for block in run.model.stack):
        return []
    files = []
    for number, item in enumerate(items, start=1):
        maps = [weights[0].numpy() for weights in ExplainedTexts(run.model, _batch([item])).attention()]
        figure = draw_attention(maps, item.tokens)
        if figure is not None:
            files += save(figure, folder / f"attention-{number}", formats)
    return files


def _batch(items: Sequence[Item]) -> "Batch":
    import torch

    from stackcli.model.batch import Batch

    width = max(len(item.ids) for item in items)
    tokens = torch.zeros(len(items), width, dtype=torch.long)
    mask = torch.zeros(len(items), width, dtype=torch.bool)
    tree = torch.arange(width).repeat(len(items), 1)
    for row, item in enumerate(items):
        n = len(item.ids)
        tokens[row, :n], mask[row, :n] = torch.tensor(item.ids), True
        if item.tree:
            tree[row, :n] = torch.tensor(item.tree)
    return Batch(tokens, torch.zeros(len(items)), mask, tree if any(item.tree for item in items) else None)


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
