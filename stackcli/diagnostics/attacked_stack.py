"""A trained stack and its way of reading texts, as attacks see them (`stackcli.attack.base.Victim`).

Shapes: N inputs, B texts of a batch, T tokens, D width, C classes.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.attack.base import Case, Norm, Objective, Sample
from stackcli.model.perturbation_ball import Ball
from stackcli.model.stack import StackedAttention

TOKENS_AT_ONCE = 2048  # in a batch, with padding
UNKNOWN = 1

Reader = Callable[[Sequence[str]], list[tuple[int, ...]]]
Relabel = Callable[[Sequence[int], int], int | None]


@dataclass(frozen=True)
class Padded:
    """Inputs padded to one length. tokens: ids (B, T); mask: True on real tokens (B, T); pos: positions (B, T); tree:
    index of each token's parent (B, T), or None; added: what is added to the token vectors, (B, T, D), or None."""

    tokens: Tensor
    mask: Tensor
    pos: Tensor
    tree: Tensor | None
    added: Tensor | None


class AttackedStack:
    """A copy of a stack in eval mode, in its own precision; the stack itself stays as it is, in whichever mode.

    model: with one answer for each text. vocab: the name of each token id. read: returns the ids of each of some pieces
    of text, as the run reads them. longest: most tokens that are read. relabel: the true class of changed
    tokens, given the one before, where the data know it. words: whether the data are texts. reserved: number of ids
    that stand for no token of a text.
    Raises ValueError for a stack that answers at every token.
    """

    def __init__(
        self,
        model: StackedAttention,
        vocab: Sequence[str],
        read: Reader,
        *,
        longest: int,
        relabel: Relabel | None = None,
        words: bool = False,
        reserved: int = 2,
    ) -> None:
        if model.every:
            raise ValueError("this run gives an answer at each token; a run with one answer for a text can be attacked")
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.longest, self.read, self.relabel = longest, read, relabel
        self.known: dict[str, tuple[int, ...]] = {}
        self.learn(vocab[reserved:])
        usable = [i for i in range(reserved, len(vocab)) if self.known[vocab[i]] == (i,)]
        self.words = tuple(vocab[i] for i in usable)
        self.index: Mapping[str, int] = {word: i for i, word in enumerate(self.words)}
        self.vectors = self.model.embedding.weight[usable]
        self.knows_labels, self.knows_words = relabel is not None, words
        self.queries = 0

    # ---- reading

    def learn(self, tokens: Sequence[str]) -> None:
        """Reads tokens that were not read before."""
        new = list(dict.fromkeys(token for token in tokens if token not in self.known))
        self.known.update(zip(new, self.read(new), strict=True)) if new else None

    def ids(self, sample: Sample) -> tuple[int, ...]:
        """The token ids of an input, cut at the most that are read; those of one unknown token where there are none."""
        self.learn(sample.tokens)
        found = tuple(i for token in sample.tokens for i in self.known[token])
        return found[: self.longest] or (UNKNOWN,)

    def room(self, sample: Sample) -> int:
        return max(0, self.longest - sample.first - len(self.ids(sample)))

    def true_class(self, sample: Sample, label: int) -> int | None:
        return self.relabel(self.ids(sample), label) if self.relabel else label

    def vectors_of(self, sample: Sample) -> Tensor:
        return self.model.embedding.weight[torch.tensor(self.ids(sample))]

    def pad(self, samples: Sequence[Sample]) -> Padded:
        """The inputs as one batch."""
        rows = [torch.tensor(self.ids(sample)) for sample in samples]
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(tokens.shape[1]) < lengths[:, None]
        pos = self.model.positions(tokens, mask).expand(tokens.shape)
        first = torch.tensor([sample.first for sample in samples])
        if self.model.reach:  # positions that are drawn at random can be raised until the last is the largest
            first = torch.minimum(first, self.model.reach - 1 - pos.masked_fill(~mask, 0).amax(1))
        pos = pos + first[:, None]
        pos = pos.clamp(max=self.model.reach - 1) if self.model.reach else pos
        pos = torch.where(mask, pos, pos.clamp(max=self.longest - 1))  # a table has no rows for more
        tree = added = None
        if all(sample.tree for sample in samples):
            tree = torch.arange(tokens.shape[1]).repeat(len(samples), 1)
            for row, sample in zip(tree, samples, strict=True):
                row[: len(sample.tree)] = torch.tensor(sample.tree)
        if any(sample.added is not None for sample in samples):
            added = torch.zeros(*tokens.shape, self.vectors.shape[1], dtype=self.vectors.dtype)
            for out, sample in zip(added, samples, strict=True):
                if sample.added is not None:
                    out[: len(sample.added)] = sample.added
        return Padded(tokens, mask, pos, tree, added)

    # ---- answers

    def logits_of(self, batch: Padded, added: Tensor | None) -> Tensor:
        """Logits (B, C) of a batch, whose texts are counted as queries."""
        self.queries += len(batch.tokens)
        mask = None if bool(batch.mask.all()) else batch.mask
        found: Tensor = self.model(batch.tokens, mask, batch.pos, batch.tree, added)
        return found

    def logits(self, samples: Sequence[Sample], at_once: int = TOKENS_AT_ONCE) -> Tensor:
        """Returns the logits of inputs of any lengths, (N, C)."""
        out = torch.zeros(len(samples), self.model.classes, dtype=self.vectors.dtype)
        with torch.no_grad():
            for rows in self.groups(samples, at_once):
                batch = self.pad([samples[i] for i in rows])
                out[rows] = self.logits_of(batch, batch.added)
        return out

    def groups(self, samples: Sequence[Sample], at_once: int) -> Iterator[list[int]]:
        """Yields the numbers of inputs for each batch, of at most so many tokens with padding, or one input."""
        self.learn([token for sample in samples for token in sample.tokens])
        lengths = [len(self.ids(sample)) for sample in samples]
        rows: list[int] = []
        for i in sorted(range(len(samples)), key=lambda i: lengths[i]):
            if rows and (len(rows) + 1) * lengths[i] > at_once:
                yield rows
                rows = []
            rows.append(i)
        if rows:
            yield rows

    def margins(self, samples: Sequence[Sample], labels: Sequence[int]) -> Tensor:
        classes = [self.true_class(sample, label) for sample, label in zip(samples, labels, strict=True)]
        true = torch.tensor([0 if label is None else label for label in classes], dtype=torch.long)
        nothing = torch.tensor([label is None for label in classes], dtype=torch.bool)
        return margin(self.logits(samples), true).masked_fill(nothing, -math.inf)

    def texts(self, cases: Sequence[Case]) -> "AttackedTexts":
        classes = [self.true_class(case.sample, case.label) for case in cases]
        true = [case.label if label is None else label for case, label in zip(cases, classes, strict=True)]
        return AttackedTexts(self, self.pad([case.sample for case in cases]), torch.tensor(true))


class AttackedTexts:
    """A batch of inputs of a stack with their classes (`stackcli.attack.base.Texts`)."""

    def __init__(self, stack: AttackedStack, batch: Padded, classes: Tensor) -> None:
        self.stack, self.batch, self.classes = stack, batch, classes
        self.nothing = torch.zeros(*batch.tokens.shape, stack.vectors.shape[1], dtype=stack.vectors.dtype)

    def gradient(self, added: Tensor, of: Objective) -> Tensor:
        added = added.detach().requires_grad_()
        with torch.enable_grad():
            logits = self.stack.logits_of(self.batch, added)
            if of == "margin":
                goal = margin(logits, self.classes).sum()
            else:
                goal = F.cross_entropy(logits, self.classes, reduction="sum")
            (found,) = torch.autograd.grad(goal, added)
        return self.ball(1.0, "l2").on_tokens(found)

    def ball(self, eps: float, norm: Norm) -> Ball:
        return Ball(self.batch.mask, eps, norm)


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """Returns by how much the best other class leads the true one: (B, C) and (B,) -> (B,)."""
    true = logits.gather(1, classes[:, None])[:, 0]
    others: Any = logits.scatter(1, classes[:, None], -math.inf)
    best: Tensor = others.amax(1)
    return best - true
