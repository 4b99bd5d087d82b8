"""Batches of sequences of similar length, in an order that depends on (seed, epoch)."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stackcli.data.base import UNSCORED, Examples
from stackcli.model.batch import Batch
from stackcli.training import batching
from stackcli.training.batching import Padded, check_unknown, drop_words, observed_rows, order, select_scored
from tests.factory import config, tiny

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


def test_several_answers_at_every_token_are_a_dimension_of_the_labels_and_padding_is_not_scored() -> None:
    examples = Examples(((1, 1), (1,)), (), ("", ""), targets=((1, 2, 3, 4), (5, 6)))
    padded = Padded(examples, max_len=2, device="cpu", masked=True, outputs=2)
    expected = [[[1, 2], [3, 4]], [[5, 6], [UNSCORED, UNSCORED]]]
    assert padded.cut(np.array([0, 1])).labels.tolist() == padded.labels.tolist() == expected


def test_a_padding_token_is_its_own_parent() -> None:
    examples = Examples(((1, 1, 1), (1,)), (0, 0), ("", ""), trees=((0, 0, 1), (0,)))
    tree = Padded(examples, max_len=3, device="cpu", masked=True).cut(np.array([0, 1])).tree
    assert tree is not None and tree.tolist() == [[0, 0, 1], [0, 1, 2]]


def test_batches_in_order_hold_every_row_once_from_the_shortest_to_the_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "EVALUATION_TOKENS", 6)
    batches = list(part(np.array([3, 1, 2, 1])).in_order())
    assert [batch.tokens.tolist() for batch in batches] == [[[1, 0], [1, 0], [1, 2]], [[1, 2, 3]]]


@pytest.mark.parametrize("full", [False, True])
def test_a_group_is_as_large_as_its_tokens_with_padding_allow_and_holds_at_least_one_row(
    full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "EVALUATION_TOKENS", 8)
    rows = part(np.array([9, 4, 1, 2, 4, 8, 3]))
    found = [group.tolist() for group in rows.groups(rows.shortest_first, full=full)]
    assert found == ([[2], [3], [6], [1], [4], [5], [0]] if full else [[2, 3], [6, 1], [4], [5], [0]])
    assert [list(g) for g in rows.groups(np.array([3, 4]), full=full)] == ([[3], [4]] if full else [[3, 4]])
    assert list(rows.groups(np.array([], dtype=int), full=full)) == []


def test_only_tokens_with_a_class_are_selected() -> None:
    logits = torch.arange(12.0).view(2, 2, 3)
    found, labels = select_scored(logits, torch.tensor([[UNSCORED, 2], [0, UNSCORED]]))
    assert found.tolist() == [[3, 4, 5], [6, 7, 8]] and labels.tolist() == [2, 0]


def test_observed_rows_are_at_most_32_different_rows_in_order() -> None:
    assert observed_rows(5).tolist() == [0, 1, 2, 3, 4]
    rows = observed_rows(1000).tolist()
    assert len(rows) == len(set(rows)) == 32 and rows == sorted(rows) and rows[0] >= 0 and rows[-1] < 1000


def test_logits_are_not_copied_where_every_token_is_scored() -> None:
    logits, labels = torch.randn(3, 4, 2, 5), torch.randint(0, 5, (3, 4, 2))
    found, asked = select_scored(logits, labels)
    assert found.data_ptr() == logits.data_ptr() and torch.equal(found, logits[labels >= 0])
    assert torch.equal(asked, labels[labels >= 0])
    labels[1, 2, 0] = UNSCORED
    found, asked = select_scored(logits, labels)
    assert torch.equal(found, logits[labels != UNSCORED]) and torch.equal(asked, labels[labels != UNSCORED])


def test_each_word_is_dropped_with_the_same_probability_and_padding_never() -> None:
    tokens = torch.randint(2, 50, (400, 60), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(60)[None] < torch.randint(1, 61, (400, 1), generator=torch.Generator().manual_seed(1))
    batch = Batch(tokens.masked_fill(~mask, 0), torch.zeros(400, dtype=torch.long), mask)
    found = drop_words(batch, 0.2, 0, 7).tokens
    assert not found[~mask].any()
    dropped = found[mask] == 1
    n = int(mask.sum())
    assert abs(int(dropped.sum()) - 0.2 * n) < 4 * (0.2 * 0.8 * n) ** 0.5
    assert torch.equal(found[mask][~dropped], batch.tokens[mask][~dropped])
    assert torch.equal(found, drop_words(batch, 0.2, 0, 7).tokens)
    assert not torch.equal(found, drop_words(batch, 0.2, 0, 8).tokens)
    assert not torch.equal(found, drop_words(batch, 0.2, 1, 7).tokens)
    assert drop_words(batch, 0.0, 0, 7) is batch


def test_data_without_an_unknown_word_are_refused_where_words_are_dropped() -> None:
    with pytest.raises(ValueError, match="data=subjects, csv, text and conllu have one"):
        check_unknown(config(word_dropout=0.1, data="order"), tiny())
    check_unknown(config(word_dropout=0.0), tiny())
    check_unknown(config(word_dropout=0.1), replace(tiny(), vocab=("<pad>", "<unk>", "a")))
