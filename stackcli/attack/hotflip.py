"""HotFlip on tokens: flips chosen by the gradient, in a beam; Ebrahimi et al. 2018, arXiv:1712.06751."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attack._vectors import batches
from stackcli.attack.base import Attack, Attempt, Case, Sample, Victim, count_changes, stream


@dataclass(frozen=True)
class State:
    """An input, the places of its tokens that are flipped, and its margin."""

    sample: Sample
    flipped: frozenset[int]
    margin: float


class Beam:
    """The search for one case: the best inputs so far, best first, and the best one after 0, 1, 2, ... flips."""

    def __init__(self, case: Case, margin: float, most: int) -> None:
        self.label, self.most = case.label, most
        self.states = [State(case.sample, frozenset(), margin)]
        self.path = [Attempt(case.sample, 1)]

    @property
    def open(self) -> bool:
        return bool(self.states) and self.states[0].margin <= 0 and len(self.path) <= self.most

    def advance(self, tried: Sequence[State], gradients: int) -> None:
        """Continues with the inputs that were tried, where one is better than the best so far; else the search ends.
        gradients: queries that were spent on choosing them."""
        before = self.states[0]
        self.states = sorted((s for s in tried if s.margin > -math.inf), key=lambda state: -state.margin)
        best = self.states[0] if self.states and self.states[0].margin > before.margin else before
        self.path.append(Attempt(best.sample, self.path[-1].queries + gradients + len(tried)))
        if best is before:
            self.states = []


class Hotflip(Attack):
    """Replaces up to k tokens by others of the vocabulary. The gain of a flip is estimated by the product of the
    margin's gradient with the difference of the two token vectors, which is exact for a linear model. Of all flips of
    the `beam` best inputs so far, those with the largest estimates are tried. A flip never makes padding, an unknown
    token or the token that was there. The new words may fit badly into the sentence, or give it another meaning."""

    unit = "changed words"
    changes = "tokens"
    gradients = True

    def __init__(self, *, beam: Annotated[int, Ge(1), Le(1000)] = 4) -> None:
        self.beam = beam

    @property
    def keeps_label(self) -> bool:
        return False

    def run(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Attempt]]:
        out: list[list[Attempt]] = [[] for _ in budgets]
        for some in batches(cases):
            beams = self.search(victim, some, budgets)
            for attempts, budget in zip(out, budgets, strict=True):
                for case, beam in zip(some, beams, strict=True):
                    allowed = count_changes(budget, len(case.sample.tokens))
                    attempts.append(beam.path[min(allowed, len(beam.path) - 1)])
        return out

    def search(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[Beam]:
        """Searches for all cases together, flip by flip, until each is answered wrongly or has no flips left."""
        margins = victim.margins([case.sample for case in cases], [case.label for case in cases]).tolist()
        beams = []
        for case, margin in zip(cases, margins, strict=True):
            most = max(count_changes(budget, len(case.sample.tokens)) for budget in budgets)
            beams.append(Beam(case, margin, most))
        while active := [beam for beam in beams if beam.open]:
            states = [Case(state.sample, beam.label) for beam in active for state in beam.states]
            texts = victim.texts(states)
            gradients = iter(texts.gradient(texts.nothing, "margin"))
            tried = []
            for beam in active:
                gains = [self.gains(victim, state, next(gradients), beam.label) for state in beam.states]
                tried.append(self.best_flips(beam.states, gains, victim))
            samples = [state.sample for each in tried for state in each]
            labels = [beam.label for beam, each in zip(active, tried, strict=True) for _ in each]
            found = iter(victim.margins(samples, labels).tolist() if samples else ())
            for beam, each in zip(active, tried, strict=True):
                beam.advance([replace(state, margin=next(found)) for state in each], len(beam.states))
        return beams

    def gains(self, victim: Victim, state: State, gradient: Tensor, label: int) -> Tensor:
        """Returns by how much each flip is expected to raise the margin, (T, words); -inf for one that is not
        allowed. gradient: of the margin, (at least T, D)."""
        tokens = state.sample.tokens
        gradient = gradient[: len(tokens)]
        was = (gradient * victim.vectors_of(state.sample)).sum(-1, keepdim=True)
        found = gradient @ victim.vectors.T - was
        for place, token in enumerate(tokens):
            if token in victim.index:
                found[place, victim.index[token]] = -math.inf
        found[sorted(state.flipped)] = -math.inf
        if victim.knows_labels:  # a flip may leave an input that has no class
            for place, word in torch.cartesian_prod(torch.arange(len(tokens)), torch.arange(found.shape[1])).tolist():
                if victim.true_class(flip(state.sample, place, victim.words[word]), label) is None:
                    found[place, word] = -math.inf
        return found

    def best_flips(self, states: Sequence[State], gains: Sequence[Tensor], victim: Victim) -> list[State]:
        """Returns the `beam` inputs of which most is expected; their margins are not yet known."""
        flat = torch.cat([(gain + state.margin).flatten() for state, gain in zip(states, gains, strict=True)])
        best = flat.topk(min(self.beam * len(states), len(flat)))  # two states can lead to the same input
        out: dict[tuple[str, ...], State] = {}
        for value, at in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            if value == -math.inf or len(out) == self.beam:
                break
            which = 0
            while at >= gains[which].numel():
                at, which = at - gains[which].numel(), which + 1
            place, word = divmod(at, len(victim.words))
            sample = flip(states[which].sample, place, victim.words[word])
            out.setdefault(sample.tokens, State(sample, states[which].flipped | {place}, -math.inf))
        return list(out.values())

    def draw(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Sample]]:
        return [[self.draw_one(victim, case, budget) for case in cases] for budget in budgets]

    def draw_one(self, victim: Victim, case: Case, budget: float) -> Sample:
        """Returns the input with as many random flips as the budget allows."""
        sample, draw = case.sample, stream("hotflip", case.sample, "control")
        left = count_changes(budget, len(sample.tokens))
        for place in draw.permutation(len(sample.tokens)).tolist():
            words = [word for word in victim.words if word != sample.tokens[place]] if left else []
            if victim.knows_labels:
                words = [word for word in words if victim.true_class(flip(sample, place, word), case.label) is not None]
            if words:
                sample, left = flip(sample, place, words[int(draw.integers(len(words)))]), left - 1
        return sample


def flip(sample: Sample, place: int, word: str) -> Sample:
    """Returns the input with another token in one place."""
    return replace(sample, tokens=(*sample.tokens[:place], word, *sample.tokens[place + 1 :]))
