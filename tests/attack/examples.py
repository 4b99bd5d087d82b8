"""Bags of words in place of a stack, whose best attacks are known, and small stacks with random weights."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

from stackcli.attack.base import Attempt, Case, Objective, Sample
from stackcli.common import registry
from stackcli.diagnostics.attacked_stack import AttackedStack
from stackcli.model.build import build
from stackcli.model.perturbation_ball import Ball, Norm
from stackcli.model.stack import StackedAttention
from tests.factory import config

LINES = """
please answer think energy light with atom cell proof theorem number prime force a of the is mass plant leaf acid base
sum set 2 42 what why
"""
WORDS = tuple(LINES.split())
VOCAB = ("<pad>", "<unk>", *WORDS)
LONGEST = 24
TEXTS = ("what is the energy of light 2", "please think why a leaf", "number theorem proof with 42 prime sum", "atom")


class Bag:
    """A victim with two classes, whose margin is the sum of the weights of its words, and 0 for others: each word adds
    its weight to the logit of class 1. The true class is 0. asked: the texts whose margins were asked for."""

    def __init__(self, weights: Mapping[str, float], *, bias: float = -100.0, room: int = 100) -> None:
        self.weights, self.bias, self.free = dict(weights), bias, room
        self.words = tuple(weights)
        self.index: Mapping[str, int] = {word: i for i, word in enumerate(self.words)}
        self.vectors = torch.tensor([[0.0, weights[word]] for word in self.words], dtype=torch.float64)
        self.queries, self.knows_labels, self.knows_words = 0, False, True
        self.asked: list[tuple[str, ...]] = []

    def margin(self, tokens: Sequence[str]) -> float:
        return self.bias + sum(self.weights.get(token, 0.0) for token in tokens)

    def margins(self, samples: Sequence[Sample], labels: Sequence[int]) -> Tensor:
        assert set(labels) <= {0}
        self.queries += len(samples)
        self.asked += [sample.tokens for sample in samples]
        return torch.tensor([self.margin(sample.tokens) for sample in samples], dtype=torch.float64)

    def texts(self, cases: Sequence[Case]) -> "Slopes":
        longest = max(len(case.sample.tokens) for case in cases)
        mask = torch.tensor([[t < len(case.sample.tokens) for t in range(longest)] for case in cases])
        slope = torch.zeros(*mask.shape, 2, dtype=torch.float64)
        slope[mask] = torch.tensor([-1.0, 1.0], dtype=torch.float64)
        self.queries += len(cases)  # each of the tests asks once
        return Slopes(slope, mask)

    def ids(self, sample: Sample) -> tuple[int, ...]:
        return tuple(self.index[token] + 2 if token in self.index else 1 for token in sample.tokens)

    def learn(self, tokens: Sequence[str]) -> None:
        pass

    def true_class(self, sample: Sample, label: int) -> int | None:
        return label

    def vectors_of(self, sample: Sample) -> Tensor:
        rows = [[0.0, self.weights.get(token, 0.0)] for token in sample.tokens]
        return torch.tensor(rows, dtype=torch.float64)

    def room(self, sample: Sample) -> int:
        return self.free


class Slopes:
    """Texts whose loss and margin are linear: `slope` (B, T, D) is the gradient wherever they are."""

    def __init__(self, slope: Tensor, mask: Tensor) -> None:
        self.slope, self.mask, self.nothing, self.asked = slope, mask, torch.zeros_like(slope), 0

    def gradient(self, added: Tensor, of: Objective) -> Tensor:
        self.asked += 1
        return self.slope

    def ball(self, eps: float, norm: Norm) -> Ball:
        return Ball(self.mask, eps, norm)


def slopes(*lengths: int, dim: int = 5, seed: int = 0) -> Slopes:
    """Texts of these lengths, padded, with random slopes, 0 at padding."""
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    drawn = torch.randn(*mask.shape, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Slopes(drawn * mask[..., None], mask)


def random_weights(count: int, *, seed: int = 0) -> dict[str, float]:
    """Words of letters, with weights of either sign."""
    drawn = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return {WORDS[i]: float(x) for i, x in enumerate(drawn)}


def case(text: str, label: int = 0) -> Case:
    return Case(Sample(tuple(text.split())), label)


def read(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The ids of words, 1 for others, as a run reads them."""
    index = {word: i for i, word in enumerate(VOCAB)}
    return [tuple(index.get(token, 1) for token in text.split()) for text in texts]


def random_stack(vocab: int = len(VOCAB), classes: int = 3, **changes: Any) -> StackedAttention:
    """A small stack in float64 with random weights, biases and gains; each is drawn once and then copied."""
    return copy.deepcopy(draw_stack(vocab, classes, **changes))


@cache
def draw_stack(vocab: int, classes: int, **changes: Any) -> StackedAttention:
    small = {"dim": 16, "heads": 2, "ff": 2.0, "dropout": 0.0, "depth": 2, **changes}
    model = build(config(**small), vocab=vocab, classes=classes, max_len=LONGEST).double().eval()
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return model


def bag_stack(classes: int = 2) -> StackedAttention:
    """A stack whose blocks do nothing: the logits are the mean over the tokens of a linear map of their vectors."""
    model = random_stack(classes=classes, pe="none", norm="none", residual="pre", depth=1)
    with torch.no_grad():
        for _, role, weight, bias in model.maps():
            if role in ("o", "ff2"):
                weight.zero_()
                bias.zero_()
    return model


def attacked(model: StackedAttention | None = None, **changes: Any) -> AttackedStack:
    """A small stack as attacks see it."""
    return AttackedStack(model or random_stack(**changes), VOCAB, read, longest=LONGEST, words=True)


def task(name: str, **changes: Any) -> AttackedStack:
    """A small stack that reads the tokens of a task, which knows the true class of any input."""
    data = registry.build_part("data", name, size=60)
    index = {word: i for i, word in enumerate(data.vocab)}

    def read_task(texts: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(index[token] for token in text.split() if token in index) for text in texts]

    model = random_stack(len(data.vocab), len(data.classes), **changes)
    return AttackedStack(model, data.vocab, read_task, longest=LONGEST, relabel=data.true_class, reserved=1)


def right_cases(victim: AttackedStack, texts: Sequence[str] = TEXTS) -> list[Case]:
    """The texts, with the answers of the stack as their classes."""
    samples = [Sample(tuple(text.split())) for text in texts]
    answers = victim.logits(samples).argmax(-1).tolist()
    victim.queries = 0
    return [Case(sample, answer) for sample, answer in zip(samples, answers, strict=True)]


@contextmanager
def counted_rows(model: StackedAttention) -> Iterator[list[int]]:
    """The numbers of texts that pass through the token vectors of a stack, call by call."""
    rows: list[int] = []
    handle = model.embedding.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    yield rows
    handle.remove()


def count_differences(before: Sequence[str], after: Sequence[str]) -> int:
    """In how many places two texts of one length differ."""
    return sum(a != b for a, b in zip(before, after, strict=True))


def is_subsequence(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether a text is left when some tokens of another are removed."""
    rest = iter(whole)
    return all(token in rest for token in part)


def tokens_of(attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
    return [attempt.sample.tokens for attempt in attempts]
