"""Functions in place of a stack, whose explanations are known, and small stacks with random weights."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stackcli.diagnostics.explained_texts import ExplainedTexts, exact_copy
from stackcli.explain.base import Baseline, Rule
from stackcli.model.batch import Batch
from tests.factory import padding, stack, tokens


class Function:
    """A text of T tokens with vectors `words` and `added`, (T, D), whose logit is a function of their sum, (T, D)."""

    def __init__(self, logit: Callable[[Tensor], Tensor], words: list[list[float]], added: list[list[float]]) -> None:
        self.words, self.added = (torch.tensor(x, dtype=torch.float64)[None] for x in (words, added))
        self.function = logit
        self.mask = self.readers = torch.ones(1, len(words), dtype=torch.bool)

    def logit(self, x: Tensor, *, rule: Rule = "plain") -> Tensor:
        return torch.stack([self.function(one) for one in x])

    def logit_of(self, keep: Tensor) -> Tensor:
        return self.logit((self.words + self.added) * keep[..., None])

    def choose_texts(self, rows: Tensor) -> "Function":
        chosen = copy.copy(self)
        chosen.words, chosen.added, chosen.mask = self.words[rows], self.added[rows], self.mask[rows]
        chosen.readers = chosen.mask
        return chosen

    def baseline(self, name: Baseline) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self.words), torch.zeros_like(self.added)

    def attention(self) -> list[Tensor]:
        raise NotImplementedError

    attention_gradients = without_values = attention

    def bias_terms(self) -> Tensor:
        raise NotImplementedError


def bag(*weights: float) -> Function:
    """A text whose logit is the sum of the weights of its tokens."""
    return Function(lambda x: x.sum(), [[w] for w in weights], [[0.0]] * len(weights))


LENGTHS = [9, 6, 3]


def texts(rows: slice = slice(None), width: int = 9, *, left: bool = False, **changes: Any) -> ExplainedTexts:
    """Three padded texts and a stack with random weights, biases and gains."""
    torch.manual_seed(1)
    model = stack(**{"depth": 2, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    mask = padding(LENGTHS, 9)[rows, :width]
    ids = (tokens(3, 9)[rows, :width]) * mask
    tree = (torch.arange(width) // 2).expand(ids.shape)
    if left:
        ids, mask = (
            torch.stack([row.roll(width - n) for row, n in zip(x, LENGTHS[rows], strict=True)]) for x in (ids, mask)
        )
    return ExplainedTexts(
        exact_copy(model), Batch(ids, torch.zeros(len(ids)), mask, tree), torch.ones(len(ids), dtype=torch.long)
    )
