"""What the attacks on token vectors share: something of a limited norm is added to the vectors of each text."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from stackcli.attack.base import Attack, Attempt, Case, Norm, Sample, Texts, Victim, stream

AT_ONCE = 64  # texts in a batch


def batches(cases: Sequence[Case]) -> list[Sequence[Case]]:
    """Cuts the cases of an attack that sees gradients into batches, in order."""
    return [cases[i : i + AT_ONCE] for i in range(0, len(cases), AT_ONCE)]


class VectorAttack(Attack):
    """An attack that adds something of a limited norm to the token vectors."""

    unit = "norm"
    changes = "vectors"
    gradients = True
    counted = False
    budgets = (0.1, 0.3, 1.0)
    norm: Norm = "l2"

    def perturb(self, texts: Texts, eps: float) -> tuple[Tensor, int]:
        """Returns what is added to the token vectors, (B, T, D), of norm at most eps for each text over its real
        tokens, and the number of queries for each text."""
        raise NotImplementedError

    def run(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Attempt]]:
        out: list[list[Attempt]] = [[] for _ in budgets]
        for some in batches(cases):
            texts = victim.texts(some)
            for attempts, eps in zip(out, budgets, strict=True):
                added, queries = self.perturb(texts, eps)
                attempts += [Attempt(add_vectors(case.sample, x), queries) for case, x in zip(some, added, strict=True)]
        return out

    def draw(self, victim: Victim, cases: Sequence[Case], budgets: Sequence[float]) -> list[list[Sample]]:
        out: list[list[Sample]] = [[] for _ in budgets]
        for case in cases:
            texts = victim.texts([case])
            seed = int(stream(type(self).__name__, case.sample, "control").integers(2**62))
            for samples, eps in zip(out, budgets, strict=True):
                added = texts.ball(eps, self.norm).draw(texts.nothing, torch.Generator().manual_seed(seed))
                samples.append(add_vectors(case.sample, added[0]))
        return out


def add_vectors(sample: Sample, added: Tensor) -> Sample:
    """Returns the input with vectors (at least T, D) added to those of its tokens."""
    return replace(sample, added=added[: len(sample.tokens)].detach().clone())
