"""Every value looked up again."""

from collections import Counter

import pytest
from scipy.stats import chisquare

from stackcli.common import registry
from stackcli.data.recall import Recall
from tests.data.oracle import every_part, load, named


@pytest.mark.parametrize("distance", [0, 1, 40])
def test_the_answer_is_the_value_after_the_key(distance: int) -> None:
    loaded = load("recall", distance=distance)
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            pairs, away = divmod(len(tokens) - distance, 3)
            known = dict(zip(tokens[: 2 * pairs : 2], tokens[1 : 2 * pairs : 2], strict=True))
            filler, queries = tokens[2 * pairs : 2 * pairs + distance], tokens[2 * pairs + distance :]
            assert away == 0 and len(known) == len(set(known.values())) == pairs
            assert {t[0] for t in known} == {"k"} and {t[0] for t in known.values()} == {"v"}
            assert len(filler) == distance and {t[0] for t in filler} <= {"f"}
            assert asked == [None] * (2 * pairs + distance) + [known[key] for key in queries]
            assert sorted(queries) == sorted(known)


def test_a_key_is_as_far_from_its_repetition_as_the_docstring_says() -> None:
    loaded, pairs, distance = load("recall", distance=40, size=400), 8, 40
    gaps = []
    for tokens, _ in named(loaded, loaded.train):
        assert len(tokens) == 3 * pairs + distance
        places: dict[str, list[int]] = {}
        for place, token in enumerate(tokens):
            places.setdefault(token, []).append(place)
        gaps += [b - a for token, (a, *more) in places.items() if token[0] == "k" for b in more]
    assert len(gaps) == 400 * pairs
    assert (min(gaps), max(gaps)) == (2 + distance, 3 * pairs - 1 + distance)


def test_items_of_every_distance_have_the_same_pairs_and_queries_and_the_longest_input_grows_by_it() -> None:
    near, far = load("recall"), load("recall", distance=7)
    assert far.max_len == near.max_len + 7 == 3 * 16 + 7
    for one, other in zip(every_part(near), every_part(far), strict=True):
        for (tokens, asked), (more, answers) in zip(named(near, one), named(far, other), strict=True):
            assert [t for t in more if t[0] != "f"] == tokens
            assert [a for t, a in zip(more, answers, strict=True) if t[0] != "f"] == asked


def test_every_filler_is_equally_frequent() -> None:
    loaded = load("recall", distance=40, size=400)
    counts = Counter(t for tokens, _ in named(loaded, loaded.train) for t in tokens if t[0] == "f")
    assert len(counts) == 16 and chisquare(list(counts.values())).pvalue > 0.01


def test_without_filler_the_data_set_is_the_one_without_that_key() -> None:
    """The fingerprint and the first item were recorded before `distance` existed."""
    plain, far = (registry.build_part("data", "recall", size=300, distance=n) for n in (0, 5))
    assert plain.fingerprint().startswith("41f6e9faa79f37a3") and far.fingerprint() != plain.fingerprint()
    assert load("recall").vocab == ("<pad>", *(f"k{i}" for i in range(16)), *(f"v{i}" for i in range(16)))
    assert list(load("recall").train.tokens[0]) == FIRST


FIRST = [8, 23, 12, 28, 9, 29, 13, 30, 4, 27, 6, 31, 3, 24, 7, 25, 8, 9, 3, 12, 7, 4, 13, 6]


def test_more_pairs_than_symbols_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need data\.symbols=32"):
        Recall(train_len=16, longest=2, symbols=16)
