"""Every value looked up again."""

import pytest

from stackcli.data.recall import Recall
from tests.data.oracle import every_part, load, named


def test_the_answer_is_the_value_after_the_key() -> None:
    loaded = load("recall")
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            pairs = len(tokens) // 3
            known = dict(zip(tokens[: 2 * pairs : 2], tokens[1 : 2 * pairs : 2], strict=True))
            assert len(known) == len(set(known.values())) == pairs
            assert asked == [None] * (2 * pairs) + [known[key] for key in tokens[2 * pairs :]]
            assert sorted(tokens[2 * pairs :]) == sorted(known)


def test_more_pairs_than_symbols_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need data\.symbols=32"):
        Recall(train_len=16, longest=2, symbols=16)
