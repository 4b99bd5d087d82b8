"""Batches of sequences of similar length, in an order that depends on (seed, epoch)."""

import numpy as np
import torch

from stackcli.data.base import Examples
from stackcli.training.batching import Padded, order

LENGTHS = np.random.default_rng(0).integers(1, 60, size=500)


def part(lengths: np.ndarray) -> Padded:
    tokens = tuple(tuple(range(1, int(n) + 1)) for n in lengths)
    return Padded(Examples(tokens, (0,) * len(tokens), ("",) * len(tokens)), max_len=64, device="cpu", masked=True)


def test_every_row_occurs_once_in_an_epoch() -> None:
    for sort in (True, False):
        rows = order(LENGTHS, batch=32, seed=0, epoch=0, sort=sort)
        assert sorted(np.concatenate(rows).tolist()) == list(range(500))
        assert max(map(len, rows)) == 32 and len(rows) == 16


def test_the_order_depends_on_seed_and_epoch() -> None:
    def flat(seed: int, epoch: int) -> list[int]:
        return [int(i) for rows in order(LENGTHS, batch=32, seed=seed, epoch=epoch, sort=True) for i in rows]

    assert flat(0, 3) == flat(0, 3)
    assert flat(0, 3) != flat(0, 4) != flat(1, 4)


def test_sorting_saves_most_of_the_padding() -> None:
    def width(sort: bool) -> int:
        return sum(int(LENGTHS[r].max()) * len(r) for r in order(LENGTHS, batch=32, seed=0, epoch=0, sort=sort))

    assert width(True) < 1.1 * LENGTHS.sum() < width(False)


def test_a_batch_is_as_wide_as_its_longest_and_its_mask_marks_the_real_tokens() -> None:
    batch = part(np.array([3, 5, 1])).cut(np.array([0, 1, 2]))
    assert batch.tokens.tolist() == [[1, 2, 3, 0, 0], [1, 2, 3, 4, 5], [1, 0, 0, 0, 0]]
    assert batch.mask is not None and torch.equal(batch.mask, batch.tokens > 0)


def test_a_batch_without_padding_has_no_mask() -> None:
    assert part(np.array([4, 4])).cut(np.array([0, 1])).mask is None


def test_full_batches_are_as_wide_as_max_len() -> None:
    assert part(np.array([3, 5])).cut(np.array([0, 1]), full=True).tokens.shape == (2, 64)
