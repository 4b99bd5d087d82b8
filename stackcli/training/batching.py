"""Batches of sequences of similar length, in an order that depends only on (seed, epoch)."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from stackcli.common.seeding import address, generator
from stackcli.config.settings import Config
from stackcli.data._rows import Rows
from stackcli.data._tokens import PAD, RESERVED, UNKNOWN
from stackcli.data.base import UNSCORED, Examples, Loaded
from stackcli.model.batch import Batch

EVALUATION_TOKENS = (
    2048  # tokens in a batch of an evaluation; twice as many do not fit into a processor's cache and are slower
)
POOL = 16  # batches whose sequences are sorted by length together


class Padded:
    """A part of the data, from which batches are cut; each batch is padded to its longest sequence."""

    def __init__(self, examples: Examples, *, max_len: int, device: str, masked: bool, outputs: int = 1) -> None:
        self.tokens = Rows.of(examples.tokens)
        self.targets = Rows.of(examples.targets) if examples.targets else None
        self.trees = Rows.of(examples.trees) if examples.trees else None
        self.lengths, self.classes = self.tokens.lengths, torch.tensor(examples.labels)
        self.max_len, self.device, self.masked, self.outputs = max_len, device, masked, outputs

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def labels(self) -> Tensor:
        """Classes of the whole part: (N,), or with an answer at every token (N, max_len) or (N, max_len, outputs)."""
        return self.asked(np.arange(len(self)), self.max_len)

    def asked(self, rows: np.ndarray, width: int) -> Tensor:
        """Classes of these rows: (B,), or with an answer at every token (B, width) or (B, width, outputs)."""
        if self.targets is None:
            return self.classes[torch.from_numpy(rows)]
        found = torch.from_numpy(self.targets.grid(rows, width * self.outputs, UNSCORED))
        return found if self.outputs == 1 else found.view(len(rows), width, self.outputs)

    def cut(self, rows: np.ndarray, *, full: bool = False) -> Batch:
        """Returns the batch of these rows, as wide as the longest of them, or with `full` as wide as `max_len`."""
        lengths = torch.from_numpy(self.lengths[rows])
        width = self.max_len if full else int(lengths.max())
        tokens, labels = torch.from_numpy(self.tokens.grid(rows, width, 0)), self.asked(rows, width)
        mask = None
        if self.masked and int(lengths.min()) < width:
            mask = (torch.arange(width)[None] < lengths[:, None]).to(self.device)
        return Batch(tokens.to(self.device), labels.to(self.device), mask, self._tree(rows, width))

    def _tree(self, rows: np.ndarray, width: int) -> Tensor | None:
        """Index of each token's parent (B, width); a padding token is its own parent."""
        if self.trees is None:
            return None
        found = self.trees.grid(rows, width, -1)
        return torch.from_numpy(np.where(found < 0, np.arange(width), found)).to(self.device)

    @property
    def shortest_first(self) -> np.ndarray:
        """Row numbers (N,) in the order in which `in_order` returns the rows."""
        return np.argsort(self.lengths, kind="stable")

    def in_order(self, *, full: bool = False) -> Iterator[Batch]:
        """Yields batches of all rows for an evaluation, shortest first."""
        return (self.cut(rows, full=full) for rows in self.groups(self.shortest_first, full=full))

    def groups(self, rows: np.ndarray, *, full: bool = False) -> Iterator[np.ndarray]:
        """Yields these rows, which are sorted by length, in groups for the batches of an evaluation. Each has at most
        `EVALUATION_TOKENS` tokens with padding, or one row."""
        widths = np.full(len(rows), self.max_len) if full else self.lengths[rows]
        first = 0
        for last in range(1, len(rows) + 1):
            if last == len(rows) or (last + 1 - first) * int(widths[last]) > EVALUATION_TOKENS:
                yield rows[first:last]
                first = last


def order(lengths: np.ndarray, *, batch: int, seed: int, epoch: int, sort: bool) -> list[np.ndarray]:
    """Returns the row numbers of each batch of an epoch.

    Rows are shuffled. With `sort`, the rows of every `POOL` batches are sorted by length, and then the batches are
    shuffled.
    The last batch of the epoch may be smaller.
    """
    draw = generator(seed, "order", epoch)
    rows = draw.permutation(len(lengths))
    if not sort:
        return [rows[i : i + batch] for i in range(0, len(rows), batch)]
    span = POOL * batch
    pools = (rows[i : i + span] for i in range(0, len(rows), span))
    pools_sorted = (pool[np.argsort(lengths[pool], kind="stable")] for pool in pools)
    cut = [pool[i : i + batch] for pool in pools_sorted for i in range(0, len(pool), batch)]
    return [cut[i] for i in draw.permutation(len(cut))]


OBSERVED = 32  # training rows on which layer statistics are computed


def observed_rows(examples: int) -> np.ndarray:
    """Returns the training rows on which layer statistics are computed, the same for every seed."""
    picked: np.ndarray = np.sort(generator("evaluation", "probe").permutation(examples)[: min(OBSERVED, examples)])
    return picked


def check_unknown(config: Config, loaded: Loaded) -> None:
    """Raises ValueError where words are to be replaced by the unknown word and the data have none."""
    if config.word_dropout and loaded.vocab[UNKNOWN : UNKNOWN + 1] != RESERVED[UNKNOWN:]:
        raise ValueError(describe_no_unknown(config))


def describe_no_unknown(config: Config) -> str:
    """Says that the data have no unknown word, and which have one."""
    return (
        f"word_dropout={config.word_dropout:g} replaces words by the unknown word, which data={config.data.name} do not"
        " have; data=subjects, csv, text and conllu have one. Write word_dropout=0"
    )


def drop_words(batch: Batch, share: float, seed: int, step: int) -> Batch:
    """Returns the batch with each token replaced by the unknown word with probability `share`, as (seed, step) decides.
    Padding stays. Bowman et al. 2016, sec. 3.1.2, arXiv:1511.06349; Kiperwasser and Goldberg 2016, arXiv:1603.04351."""
    if not share:
        return batch
    draw = torch.Generator().manual_seed(address(seed, "words", step))
    chosen = (torch.rand(batch.tokens.shape, generator=draw) < share).to(batch.tokens.device)
    return replace(batch, tokens=batch.tokens.masked_fill(chosen & (batch.tokens != PAD), UNKNOWN))


def select_scored(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Selects what is scored: logits (..., C) and classes (...) -> (N, C) and (N,)."""
    if labels.dim() == 1:
        return logits, labels
    scored = labels != UNSCORED
    if bool(scored.all()):  # without a copy, which is large for the words of a language
        return logits.flatten(0, -2), labels.flatten()
    return logits[scored], labels[scored]


def scored_items(labels: Tensor) -> int:
    """Returns how many answers a batch asks for."""
    return len(labels) if labels.dim() == 1 or labels.is_floating_point() else int((labels != UNSCORED).sum())


def first_scored(batch: Batch) -> slice:
    """Returns the first row of a batch that asks for an answer."""
    counts = [scored_items(row[None]) for row in batch.labels]
    at = next((i for i, count in enumerate(counts) if count), 0)
    return slice(at, at + 1)


def take_rows(batch: Batch, rows: slice) -> Batch:
    """Returns these rows of a batch, as wide as the batch."""

    def take(tensor: Tensor | None) -> Tensor | None:
        return tensor if tensor is None or tensor.dim() < 2 else tensor[rows]

    tokens, labels = batch.tokens[rows], batch.labels[rows]
    return Batch(tokens, labels, take(batch.mask), take(batch.tree), take(batch.pos), take(batch.added))
