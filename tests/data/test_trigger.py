"""Every answer and its evidence, found again by the names of the tokens; what does not decide says nothing."""

from collections import Counter

import pytest

from stackcli.data.base import Examples
from stackcli.data.trigger import Trigger
from tests.data.oracle import classed, every_part, load


def test_a_single_trigger_decides_and_is_the_evidence() -> None:
    loaded = load("trigger", kinds=3, longest=2)
    seen = set()
    for part in every_part(loaded):
        for (tokens, answer), evidence in zip(classed(loaded, part), part.evidence, strict=True):
            (at,) = (i for i, token in enumerate(tokens) if token[0] != "x")
            assert evidence == (at,) and answer == tokens[at][0]
            seen.add(tokens[at])
    assert seen == {"A1", "A2", "B1", "B2", "C1", "C2"} and loaded.classes == ("A", "B", "C")


@pytest.mark.parametrize("kinds", [2, 4])
def test_the_order_of_two_triggers_decides_and_both_are_the_evidence(kinds: int) -> None:
    loaded, seen = load("trigger", form="pair", kinds=kinds, longest=2), set()
    for part in every_part(loaded):
        for (tokens, answer), evidence in zip(classed(loaded, part), part.evidence, strict=True):
            first, second = (i for i, token in enumerate(tokens) if token[0] != "x")
            assert evidence == (first, second) and tokens[first][0] != tokens[second][0]
            assert answer == tokens[first][0] + tokens[second][0]
            seen.add(answer)
    assert seen == set(loaded.classes) and len(seen) == kinds * (kinds - 1)


@pytest.mark.parametrize("kinds", [2, 4])
def test_nothing_but_the_order_says_which_of_two_orders_it_is(kinds: int) -> None:
    loaded = load("trigger", form="pair", kinds=kinds, longest=2)
    for part in every_part(loaded):
        pairs = zip(part.labels[::2], part.labels[1::2], strict=True)
        assert all(loaded.classes[a] == loaded.classes[b][::-1] for a, b in pairs)
        for a, b, (i, j) in zip(part.tokens[::2], part.tokens[1::2], part.evidence[::2], strict=True):
            swapped = list(a)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            assert swapped == list(b) and sorted(a) == sorted(b)


@pytest.mark.parametrize("form", ["one", "pair"])
def test_triggers_stand_anywhere_and_noise_does_not_depend_on_the_class(form: str) -> None:
    loaded = load("trigger", form=form, size=4000, longest=1)
    at = Counter(i for evidence in loaded.train.evidence for i in evidence)
    expected = sum(at.values()) / 16
    assert len(at) == 16 and all(abs(n - expected) < 5 * expected**0.5 for n in at.values())
    counts = {kind: Counter[str]() for kind in loaded.classes}
    for tokens, answer in classed(loaded, loaded.train):
        counts[answer].update(token for token in tokens if token[0] == "x")
    shares = {kind: {t: n / found.total() for t, n in found.items()} for kind, found in counts.items()}
    one, other = (shares[kind] for kind in loaded.classes)
    assert len(one) == 16 and all(abs(one[token] - other[token]) < 0.01 for token in one)


def test_a_choice_of_items_keeps_their_evidence() -> None:
    part = load("trigger").test
    chosen = part.only([5, 2])
    assert chosen.evidence == (part.evidence[5], part.evidence[2])
    assert Examples(((1,),), (0,), ("",)).only([0]).evidence == ()


def test_what_a_pair_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        Trigger(form="pair", train_len=3)
