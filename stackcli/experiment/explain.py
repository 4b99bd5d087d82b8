"""Explanations of a trained run: what each token of a text adds to an answer, by several methods, how faithful they
are, how far they agree, and whether they depend on what the run has learnt.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from stackcli.common import registry
from stackcli.common.atomic_files import write_json
from stackcli.experiment.identity import digest
from stackcli.experiment.predict import rank_classes
from stackcli.experiment.trained_run import Item, Run, make_batch

if TYPE_CHECKING:
    from torch import Tensor

    from stackcli.diagnostics.explained_texts import ExplainedTexts
    from stackcli.diagnostics.faithfulness import Faithfulness, RandomOrders
    from stackcli.model.stack import StackedAttention

AT_ONCE = 16  # texts in a batch
AGREEMENT = 1e-5  # largest difference between the logits of the two attention kernels
FAITHFULNESS = ("deletion", "insertion", "comprehensiveness", "sufficiency")


@dataclass(frozen=True)
class Asked:
    """What is asked of each text. methods: their keys by name. target: the class whose logit is explained; by default
    the one that the run answers. sanity: number of untrained stacks whose weights replace those of the run; by_layer:
    from the classifier down to each layer, else all at once. baselines: whether methods with a baseline are compared
    with themselves from another one."""

    methods: Mapping[str, Mapping[str, Any]]
    target: str = ""
    sanity: int = 0
    by_layer: bool = True
    baselines: bool = True


@dataclass(frozen=True)
class Scores:
    """What a method says of one text.

    words, positions: what each token adds to the logit by the word itself, and by its position before block 1 (None
    where the method does not distinguish them). error: how far the sum is from what it is compared with, as a share;
    None without such a sum. points: of an integral. deletion: area under the logit as tokens are left out, from the one
    that speaks most for the class on, less the mean of random orders: the lower, the more faithful. insertion: the same
    as they are put in: the higher, the more faithful. comprehensiveness, sufficiency: of the first fifth. agreement:
    mean rank correlation with the other methods. baseline: the input that the text is compared with, where the method
    has one; other_baseline: the rank correlation with the numbers for another one, by its name. sanity: rank
    correlation with the numbers after the weights of all layers down to one were replaced, by the name of that one.
    """

    words: tuple[float, ...]
    positions: tuple[float, ...] | None
    error: float | None
    points: int | None
    deletion: float
    insertion: float
    comprehensiveness: float
    sufficiency: float
    agreement: float | None
    baseline: str | None = None
    other_baseline: Mapping[str, float | None] = field(default_factory=dict)
    sanity: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def tokens(self) -> tuple[float, ...]:
        """The whole of each token."""
        if self.positions is None:
            return self.words
        return tuple(word + position for word, position in zip(self.words, self.positions, strict=True))


@dataclass(frozen=True)
class Explanation:
    """The answers to a text, the most probable first, the class that is explained, its logit, the scores by method, and
    what each head looks at (a `HeadLook` each; none if the weights may be negative). spread: by how much the logit
    differs between random sets of equal size of its tokens, a standard deviation. controls: what the scores say of a
    perfect and of a random explanation of a model whose truth is known. agreement: rank correlation of two methods.
    lens: the answers that the classifier reads off after layers 0 .. L, the most probable first."""

    item: Item
    shares: dict[str, float]
    explained: str
    logit: float
    spread: float
    scores: Mapping[str, Scores]
    controls: Mapping[str, Mapping[str, float | None]]
    agreement: Mapping[tuple[str, str], float | None]
    heads: list[dict[str, Any]]
    lens: list[dict[str, float]]

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
            "spread": self.spread,
            "methods": methods,
            "controls": self.controls,
            "agreement": [{"methods": list(pair), "correlation": value} for pair, value in self.agreement.items()],
            "heads": self.heads,
            "lens": self.lens,
        }


def explain_items(run: Run, items: Sequence[Item], asked: Asked) -> Iterator[Explanation]:
    """Yields the explanation of each item, in order. Raises ValueError for a class that the run does not have, for a
    method that does not go with the stack, and where the two attention kernels disagree."""
    if asked.target and asked.target not in run.classes:
        raise ValueError(f"--target {asked.target}: this run has the classes {', '.join(run.classes)}")
    explainer = Explainer(run, asked)
    order = sorted(range(len(items)), key=lambda i: len(items[i].ids))
    found: dict[int, Explanation] = {}
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        found |= dict(zip(some, explainer.explain_batch([items[i] for i in some]), strict=True))
    yield from (found[i] for i in range(len(items)))


class Explainer:
    """Explains batches of texts of a run."""

    def __init__(self, run: Run, asked: Asked) -> None:
        from stackcli.diagnostics.layer_randomisation import randomise_from_top

        self.run, self.target = run, asked.target
        self.methods = {name: registry.build_part("explain", name, **keys) for name, keys in asked.methods.items()}
        self.signed = {name: registry.load_part("explain", name).signed for name in self.methods}
        self.others = {
            name: {other: registry.build_part("explain", name, **{**keys, "baseline": other})}
            for name, keys in asked.methods.items()
            if asked.baselines
            for other in other_baselines(name, keys)
        }
        fresh = (run.untrained(run.config.seed + 1 + i) for i in range(asked.sanity))
        self.randomised = [
            list(randomise_from_top(run.model, stack)) if asked.by_layer else [("input", stack)] for stack in fresh
        ]

    def explain_batch(self, items: Sequence[Item]) -> list[Explanation]:
        import torch

        from stackcli.diagnostics.attention_maps import describe_heads
        from stackcli.diagnostics.explained_texts import ExplainedTexts, has_shares
        from stackcli.diagnostics.explanation_agreement import method_agreement
        from stackcli.diagnostics.explanation_controls import run_controls
        from stackcli.diagnostics.faithfulness import delete_at_random
        from stackcli.diagnostics.logit_lens import read_off

        classes = torch.full((len(items),), self.run.classes.index(self.target)) if self.target else None
        batch = make_batch(self.run, items)
        texts = ExplainedTexts(self.run.model, batch, classes)
        if (apart := texts.kernel_difference()) > AGREEMENT:
            raise ValueError(f"the two attention kernels differ by {apart:.1g} in the logits, more than {AGREEMENT:g}")
        maps = texts.attention() if has_shares(self.run.model) else []
        at_random = delete_at_random(texts)
        found = {name: method.attribute(texts) for name, method in self.methods.items()}
        pairs = method_agreement({name: one.tokens for name, one in found.items()}, self.signed, texts.mask)
        scores = {name: self.score(texts, name, one, at_random, pairs) for name, one in found.items()}
        controls, shares = run_controls(texts.mask, at_random.spread), texts.logits.softmax(-1).tolist()
        logits, lens = texts.pick_class(texts.logits).tolist(), read_off(self.run.model, batch).tolist()
        out = []
        for i, item in enumerate(items):
            heads = describe_heads([w[i : i + 1] for w in maps], texts.mask[i : i + 1])
            out.append(
                Explanation(
                    item,
                    rank_classes(self.run.classes, shares[i]),
                    self.run.classes[int(texts.classes[i])],
                    logits[i],
                    float(at_random.spread[i]),
                    {name: rows[i] for name, rows in scores.items()},
                    {
                        name: {
                            **pick_scores(control.faithfulness, i),
                            "agreement": number(control.agreement[i]),
                            "sanity": number(control.sanity[i]),
                        }
                        for name, control in controls.items()
                    },
                    {pair: number(value[i]) for pair, value in pairs.items()},
                    [look._asdict() for look in heads],
                    [rank_classes(self.run.classes, layer[i]) for layer in lens],
                )
            )
        return out

    def score(
        self,
        texts: "ExplainedTexts",
        name: str,
        found: Any,
        at_random: "RandomOrders",
        pairs: Mapping[tuple[str, str], "Tensor"],
    ) -> list[Scores]:
        """Returns the scores of one method, whose attribution is `found`, for each text of a batch."""
        from stackcli.diagnostics.explanation_agreement import mean_agreement, rank_correlation
        from stackcli.diagnostics.faithfulness import score_order

        faithful = score_order(texts, found.tokens, at_random)
        others = {
            other: rank_correlation(found.tokens, method.attribute(texts).tokens, texts.mask)
            for other, method in self.others.get(name, {}).items()
        }
        sanity, agreement = self.check_sanity(texts, name, found.tokens), mean_agreement(pairs, name)
        out = []
        for i, n in enumerate(texts.mask.sum(1).tolist()):
            out.append(
                Scores(
                    words=tuple(found.words[i, :n].tolist()),
                    positions=None if found.positions is None else tuple(found.positions[i, :n].tolist()),
                    error=None if found.error is None else float(found.error[i]),
                    points=None if found.steps is None else int(found.steps[i]),
                    **pick_scores(faithful, i),
                    agreement=None if agreement is None else number(agreement[i]),
                    baseline=getattr(self.methods[name], "baseline", None),
                    other_baseline={other: number(value[i]) for other, value in others.items()},
                    sanity={layer: number(value[i]) for layer, value in sanity.items()},
                )
            )
        return out

    def check_sanity(self, texts: "ExplainedTexts", name: str, tokens: "Tensor") -> dict[str, "Tensor"]:
        """Rank correlation of a method's numbers with those of the stack with fresh weights from the top down to each
        layer, (B,), averaged over the untrained stacks."""
        import torch

        from stackcli.diagnostics.explanation_agreement import rank_correlation

        def compare(model: "StackedAttention") -> "Tensor":
            other = self.methods[name].attribute(texts.with_model(model)).tokens
            return rank_correlation(tokens, other, texts.mask)

        each = [{layer: compare(model) for layer, model in copies} for copies in self.randomised]
        layers = each[0] if each else {}
        return {layer: torch.stack([one[layer] for one in each]).nanmean(0) for layer in layers}


def other_baselines(name: str, keys: Mapping[str, Any]) -> list[str]:
    """The baselines that a method could have instead of its own; none for a method without."""
    known = registry.keys_of("explain", name)
    return (
        [other for other in get_args(known["baseline"].annotation) if other != keys["baseline"]]
        if "baseline" in known
        else []
    )


def pick_scores(scores: "Faithfulness", text: int) -> dict[str, float]:
    """The scores of one text of a batch."""
    return {name: float(getattr(scores, name)[text]) for name in FAITHFULNESS}


def number(value: "Tensor") -> float | None:
    """A number, or None for NaN: a correlation with numbers that are all equal."""
    found = float(value)
    return None if math.isnan(found) else found


def explanation_folder(out: Path, run: Run) -> Path:
    """The folder of the explanations of a run."""
    return out / "explanations" / run.name


def save_explanation(found: Explanation, folder: Path) -> Path:
    """Writes an explanation to a file that is named after its text and class, and returns its path."""
    path = folder / f"{digest([found.item.name, found.explained])[:16]}.json"
    write_json(path, found.row)
    return path


def draw_attention_maps(run: Run, items: Sequence[Item], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws the attention weights of each text and returns the files; none for a kind whose weights may be negative."""
    from stackcli.diagnostics.explained_texts import ExplainedTexts, has_shares
    from stackcli.figures._attention import draw_attention
    from stackcli.figures._figure import save

    if not has_shares(run.model):
        return []
    files = []
    for count, item in enumerate(items, start=1):
        maps = [weights[0].numpy() for weights in ExplainedTexts(run.model, make_batch(run, [item])).attention()]
        figure = draw_attention(maps, item.tokens)
        if figure is not None:
            files += save(figure, folder / f"attention-{count}", formats)
    return files
