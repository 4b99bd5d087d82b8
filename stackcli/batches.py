"""Sequences -> batches of similar length, in an order that is a function of (seed, epoch)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stackcli.address import generator
from stackcli.data.base import UNSCORED, Examples

POOL = 16  # batches sorted by length together


@dataclass(frozen=True)
class Batch:
    """Token ids (B, T); classes (B,), or where every token is asked about (B, T) or (B, T, outputs); True on real
    tokens (B, T), or None where nothing is padded; index of each token's parent (B, T), or None where the data have no
    trees; positions (T,) or (B, T), or None where they count from 0."""

    tokens: Tensor
    labels: Tensor
    mask: Tensor | None
    tree: Tensor | None = None
    pos: Tensor | None = None


class Padded:
    """A part as one matrix, from which batches are cut."""

    def __init__(self, examples: Examples, *, max_len: int, device: str, masked: bool, outputs: int = 1) -> None:
        self.lengths = np.array([len(t) for t in examples.tokens])
        self.tokens = _grid(examples.tokens, max_len, 0)
        self.labels = torch.tensor(examples.labels)
        if examples.targets:
            targets = _grid(examples.targets, max_len * outputs, UNSCORED).long()
            self.labels = targets if outputs == 1 else targets.view(len(examples), max_len, outputs)
        self.trees: Tensor | None = None
        if examples.trees:  # padding stands alone, each token its own root
            self.trees = torch.arange(max_len).expand(len(examples), max_len).clone()
            for row, tree in zip(self.trees, examples.trees, strict=True):
                row[: len(tree)] = torch.tensor(tree)
        self.max_len, self.device, self.masked = max_len, device, masked

    def __len__(self) -> int:
        return len(self.lengths)

    def cut(self, rows: np.ndarray, *, full: bool = False) -> Batch:
        """The batch of these rows, as wide as its longest, or all of `max_len` where `full`."""
        lengths = torch.from_numpy(self.lengths[rows])
        width = self.max_len if full else int(lengths.max())
        index = torch.from_numpy(rows)
        tokens, labels = self.tokens[index, :width].long(), self.labels[index]
        labels = labels[:, :width] if labels.dim() > 1 else labels
        mask = None
        if self.masked and int(lengths.min()) < width:
            mask = (torch.arange(width)[None] < lengths[:, None]).to(self.device)
        tree = None if self.trees is None else self.trees[index, :width].to(self.device)
        return Batch(tokens.to(self.device), labels.to(self.device), mask, tree)

    @property
    def shortest_first(self) -> np.ndarray:
        """Row numbers (N,) in the order of `in_order`."""
        return np.argsort(self.lengths, kind="stable")

    def in_order(self, size: int = 256, *, full: bool = False) -> Iterator[Batch]:
        """All rows once, shortest first."""
        rows = self.shortest_first
        return (self.cut(rows[i : i + size], full=full) for i in range(0, len(rows), size))


def _grid(rows: Sequence[Sequence[int]], width: int, fill: int) -> Tensor:
    """Rows of different lengths as one matrix (N, width)."""
    grid = np.full((len(rows), width), fill, dtype=np.int32)
    for row, values in zip(grid, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(grid)


def order(lengths: np.ndarray, *, batch: int, seed: int, epoch: int, sort: bool) -> list[np.ndarray]:
    """Row numbers of each batch of an epoch.

    Rows are shuffled; with `sort`, every `POOL` batches are sorted by length together and the batches shuffled again.
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
