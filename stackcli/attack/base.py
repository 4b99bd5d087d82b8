"""The interface of an attack: inputs that are changed within a budget until a trained stack answers wrongly.

Shapes: N inputs, B texts of a batch, T tokens, D width, C classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from stackcli.common.seeding import generator

Objective = Literal["loss", "margin"]
Norm = Literal["l2", "linf"]
Edit = tuple[int, tuple[str, ...]]  # place of a token, and what may stand there instead
Edited = dict[int, tuple[str, ...]]  # place of a token -> what stands there instead
ROUNDING = 1e-5  # margins that differ by less are equal, so that the other texts of a batch decide nothing
DRAWS = 20  # random changes that are drawn until one has a class


@dataclass(frozen=True)
class Sample:
    """An input of the stack. tokens: as they stand in the text; first: position of the first token; tree: index of each
    token's parent, where the data have trees; added: what is added to the token vectors, (T, D)."""

    tokens: tuple[str, ...]
    first: int = 0
    tree: tuple[int, ...] = ()
    added: Tensor | None = None


@dataclass(frozen=True)
class Case:
    """An input to attack, and its true class."""

    sample: Sample
    label: int


@dataclass(frozen=True)
class Attempt:
    """The input that an attack ends with, and how many answers or gradients it asked the stack for."""

    sample: Sample
    queries: int


class VectorBall(Protocol):
    """Perturbations of the token vectors of a batch, of a limited norm; see `stackcli.model.perturbation_ball`."""

    def steepest(self, gradient: Tensor) -> Tensor:
        """Returns the perturbation on the edge of the ball that raises a linear function the most, (B, T, D)."""

    def project(self, added: Tensor) -> Tensor:
        """Returns the nearest perturbation inside the ball, (B, T, D)."""

    def draw(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Returns a random perturbation on the edge of the ball, (B, T, D)."""


class Texts(Protocol):
    """A batch of inputs, padded. nothing: no perturbation, zeros (B, T, D)."""

    nothing: Tensor

    def gradient(self, added: Tensor, of: Objective) -> Tensor:
        """Returns the gradient for the token vectors, (B, T, D), 0 at padding, where `added` is added to them: of the
        cross-entropy loss of the true class, or of the margin. A query for each text."""

    def ball(self, eps: float, norm: Norm) -> VectorBall:
        """Returns the perturbations of these texts whose norm is at most eps."""


class Victim(Protocol):
    """A trained stack in eval mode, and how it reads texts. It counts what it is asked.

    words: tokens that can be written into a text, neither padding nor unknown; index: the number of each; vectors:
    their vectors, (len(words), D). queries: texts for which an answer or a gradient was computed so far. knows_labels:
    whether the data tell the true class of a changed input. knows_words: whether the tokens are words of texts.
    """

    words: tuple[str, ...]
    index: Mapping[str, int]
    vectors: Tensor
    queries: int
    knows_labels: bool
    knows_words: bool

    def margins(self, samples: Sequence[Sample], labels: Sequence[int]) -> Tensor:
        """Returns by how much the best other class leads the true one, (N,), in logits: the answer is wrong where it is
        above 0. -inf for an input that has no true class. labels: the true classes before the change; see
        `true_class`."""

    def texts(self, cases: Sequence[Case]) -> Texts:
        """Returns the cases as a batch."""

    def true_class(self, sample: Sample, label: int) -> int | None:
        """Returns the true class of a changed input whose class was `label`: that of the data where these know it, else
        `label`. None for an input that has no class."""

    def vectors_of(self, sample: Sample) -> Tensor:
        """Returns the vectors of an input's tokens, (T, D), without what is added to them."""

    def ids(self, sample: Sample) -> tuple[int, ...]:
        """Returns the token ids that the stack reads: inputs with the same ids are one input."""

    def learn(self, tokens: Sequence[str]) -> None:
        """Reads tokens together, which is faster than one by one."""

    def room(self, sample: Sample) -> int:
        """Returns how many more tokens the stack can read, or by how many positions the input can be shifted."""


class Attack:
    """Base class of all attacks.

    unit: what the budget counts. changes: what is changed, "vectors" and "positions" cannot be typed. gradients:
    whether the attack sees the stack's gradients (white box) or its answers alone (black box). counted: whether the
    budget is a number of tokens or places, or below 1 a share of the text's tokens; else it is a size. budgeted:
    whether there is a budget; budgets: those that are used where none are given. keeps_length: whether the number of
    tokens stays. needs_words: whether the data must be texts.
    """

    unit: ClassVar[str]
    changes: ClassVar[Literal["vectors", "tokens", "letters", "positions"]]
    gradients: ClassVar[bool] = False
    counted: ClassVar[bool] = True
    budgeted: ClassVar[bool] = True
    budgets: ClassVar[tuple[float, ...]] = (1.0, 3.0, 5.0)
    keeps_length: ClassVar[bool] = True
    needs_words: ClassVar[bool] = False

    @property
    def keeps_label(self) -> bool:
        """Whether a person would still give the same class. Where not, the true label may have changed."""
        return True

    def run(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Attempt]]:
        """Returns for each budget what the attack makes of each case."""
        raise NotImplementedError

    def draw(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Sample]]:
        """Returns for each budget a random change of each case of the same size: the control. It asks nothing."""
        raise NotImplementedError


def count_changes(budget: float, tokens: int) -> int:
    """Returns how many tokens may be changed: the budget itself, or below 1 that share of the tokens, rounded down.

    >>> count_changes(3, 14), count_changes(0.2, 14), count_changes(0.29, 100)
    (3, 2, 29)
    """
    return min(tokens, count_added(budget, tokens))


def count_added(budget: float, tokens: int) -> int:
    """Returns how many tokens may be added, or positions moved: as `count_changes`, and it may be more than there are.

    >>> count_added(20, 14), count_added(0.2, 14)
    (20, 2)
    """
    return int(budget) if budget >= 1 else math.floor(Fraction(str(budget)) * tokens)


def stream(name: str, sample: Sample, *more: str | int) -> np.random.Generator:
    """Returns random numbers that depend on the input alone, so that it is attacked alone as in any batch."""
    return generator("attack", name, *more, *sample.tokens)


def choose_largest(margins: Tensor) -> int:
    """Returns the place of the largest margin; of equal ones the first."""
    return int((margins >= margins.max() - ROUNDING).nonzero()[0])


# ---- attacks that replace tokens one by one


class Edits(Attack):
    """A search that edits one token after the other, always by the edit that raises the margin the most, until the
    answer is wrong; Gao et al. 2018, arXiv:1801.04354, and Jin et al. 2020, arXiv:1907.11932, choose the token first.

    Every edit is one of the original token, and each token is edited once, so the budget and every limit count from the
    original text and not from the step before. tries: edits that are tried at each step, chosen at random.
    """

    unit = "changed words"
    tries: int = 64

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        """Returns what may stand in the place of this token: none, one or two tokens each."""
        raise NotImplementedError

    def run(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Attempt]]:
        margins = victim.margins([case.sample for case in cases], [case.label for case in cases]).tolist()
        searches = [Search(self, victim, case, m, budgets) for case, m in zip(cases, margins, strict=True)]
        for step in range(max((s.most for s in searches), default=0)):
            ask_all(victim, [(s, s.candidates(step)) for s in searches])
        return [[search.attempt(budget) for search in searches] for budget in budgets]

    def draw(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Sample]]:
        return [[self.draw_one(victim, case, budget) for case in cases] for budget in budgets]

    def draw_one(self, victim: Victim, case: Case, budget: float) -> Sample:
        """Returns the input with as many random edits as the budget allows, none of which leaves it without a class."""
        sample, draw = case.sample, stream(type(self).__name__, case.sample, "control")
        left, edited = count_changes(budget, len(sample.tokens)), Edited()
        for place in draw.permutation(len(sample.tokens)).tolist():
            new = self.edits(victim, sample.tokens[place], draw) if left else []
            found = choose_readable(victim, sample, [{**edited, place: tokens} for tokens in new])
            found = [e for e in found if victim.true_class(apply_edits(sample, e), case.label) is not None]
            if found:
                edited, left = found[int(draw.integers(len(found)))], left - 1
        return apply_edits(sample, edited)


def apply_edits(sample: Sample, edited: Edited) -> Sample:
    """Returns the input with other tokens in the places that are edited."""
    parts = [edited.get(place, (token,)) for place, token in enumerate(sample.tokens)]
    return replace(sample, tokens=tuple(token for part in parts for token in part))


def choose_readable(victim: Victim, sample: Sample, tried: list[Edited]) -> list[Edited]:
    """Returns those of the edits that leave a token, and that the stack reads to the end; of an input with a tree,
    those that keep its length."""
    more = [sum(len(new) - 1 for new in edited.values()) for edited in tried]
    least, most = 1 - len(sample.tokens), victim.room(sample) if any(n > 0 for n in more) else 0
    least, most = (0, 0) if sample.tree else (least, most)
    return [edited for edited, n in zip(tried, more, strict=True) if least <= n <= most]


def choose_distinct(victim: Victim, edits: Sequence[Edit]) -> list[Edit]:
    """Returns the first of the edits of a place that the stack reads alike: all words that it does not know are one, so
    most misspellings of a word are."""
    victim.learn([token for _, new in edits for token in new])
    found: dict[tuple[int, tuple[int, ...]], Edit] = {}
    for place, new in edits:
        found.setdefault((place, victim.ids(Sample(new)) if new else ()), (place, new))
    return list(found.values())


class Search:
    """The search for one case: the edits made so far, and after each of them the input, its margin and the queries."""

    def __init__(self, attack: Edits, victim: Victim, case: Case, margin: float, budgets: Sequence[float]) -> None:
        self.attack, self.victim, self.case = attack, victim, case
        self.edited: Edited = {}
        self.path = [(case.sample, margin, 1)]
        self.most = max((count_changes(budget, len(case.sample.tokens)) for budget in budgets), default=0)
        self.stopped = margin > 0

    def candidates(self, step: int) -> list[Edited]:
        """Returns the edits to try at this step; none if the search is over."""
        if self.stopped or step >= self.most:
            return []
        tokens = self.case.sample.tokens
        draw = stream(type(self.attack).__name__, self.case.sample, step)
        edits = [
            (place, new)
            for place, token in enumerate(tokens)
            if place not in self.edited
            for new in self.attack.edits(self.victim, token, draw)
        ]
        pairs = [{**self.edited, place: new} for place, new in choose_distinct(self.victim, edits)]
        pairs = choose_readable(self.victim, self.case.sample, pairs)
        if len(pairs) > self.attack.tries:
            pairs = [pairs[i] for i in sorted(draw.permutation(len(pairs))[: self.attack.tries].tolist())]
        self.stopped = not pairs
        return pairs

    def advance(self, tried: Sequence[Edited], margins: Tensor) -> None:
        """Takes the best of the edits that were tried, if it raises the margin."""
        best = choose_largest(margins)
        sample, margin, queries = self.path[-1]
        if float(margins[best]) > margin + ROUNDING:
            self.edited = tried[best]
            sample, margin = apply_edits(self.case.sample, self.edited), float(margins[best])
            self.stopped = margin > 0
        else:
            self.stopped = True
        self.path.append((sample, margin, queries + len(tried)))

    def attempt(self, budget: float) -> Attempt:
        """Returns the input after as many edits as the budget allows."""
        allowed = count_changes(budget, len(self.case.sample.tokens))
        sample, _, queries = self.path[min(allowed, len(self.path) - 1)]
        return Attempt(sample, queries)


def ask_all(victim: Victim, asked: Sequence[tuple[Search, list[Edited]]]) -> None:
    """Asks for the margins of the edits of all searches together, and advances each search."""
    samples = [apply_edits(s.case.sample, edited) for s, tried in asked for edited in tried]
    labels = [s.case.label for s, tried in asked for _ in tried]
    if not samples:
        return
    found = torch.split(victim.margins(samples, labels), [len(tried) for _, tried in asked])
    for (search, tried), margins in zip(asked, found, strict=True):
        if tried:
            search.advance(tried, margins)


# ---- attacks that choose the worst of some variants of the whole input


class Variants(Attack):
    """The worst of at most `tries` variants of the input."""

    tries: int = 16

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        """Returns the variants that this budget allows; none where the input has no room for one."""
        raise NotImplementedError

    def control(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> Sample:
        """Returns a random change of the same size: one of the variants."""
        found = self.variants(victim, sample, budget, draw)
        return found[int(draw.integers(len(found)))] if found else sample

    def run(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Attempt]]:
        return [self.run_budget(victim, cases, budget) for budget in budgets]

    def run_budget(self, victim: Victim, cases: Sequence[Case], budget: float) -> list[Attempt]:
        """Returns the worst variant of each case."""
        name = type(self).__name__
        tried = [self.variants(victim, case.sample, budget, stream(name, case.sample)) for case in cases]
        samples = [sample for each in tried for sample in each]
        labels = [case.label for case, each in zip(cases, tried, strict=True) for _ in each]
        margins = victim.margins(samples, labels) if samples else torch.zeros(0)
        out = []
        for case, each, found in zip(cases, tried, torch.split(margins, [len(each) for each in tried]), strict=True):
            usable = bool(each) and bool((found > -math.inf).any())
            out.append(Attempt(each[choose_largest(found)] if usable else case.sample, len(each)))
        return out

    def draw(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Sample]]:
        return [[self.draw_one(victim, case, budget) for case in cases] for budget in budgets]

    def draw_one(self, victim: Victim, case: Case, budget: float) -> Sample:
        """Returns a random change of the input, one that has a class if there is one among DRAWS."""
        draw = stream(type(self).__name__, case.sample, "control")
        for _ in range(DRAWS):
            found = self.control(victim, case.sample, budget, draw)
            if victim.true_class(found, case.label) is not None:
                return found
        return case.sample
