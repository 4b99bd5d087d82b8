"""Synonyms of a table, and words of the vocabulary without one."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from stackcli.attack.base import Case, Sample
from stackcli.attack.substitution import Substitution
from tests.attack.examples import WORDS, Bag, attacked, case, count_differences, random_weights, right_cases


def table(folder: Path, *rows: str) -> str:
    path = folder / "synonyms.csv"
    path.write_text("\n".join(["word,synonym", *rows]), encoding="utf-8")
    return str(path)


def test_with_a_table_the_label_stays_and_without_one_it_may_change(tmp_path: Path) -> None:
    assert Substitution(synonyms=table(tmp_path, "big,huge")).keeps_label is True
    assert Substitution().keeps_label is False


def test_a_table_that_cannot_be_used_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"synonyms\.csv: line 2: 'small' is an antonym of 'big'"):
        Substitution(synonyms=table(tmp_path, "big,small"))


def test_no_chain_of_synonyms_leads_away_from_the_word(tmp_path: Path) -> None:
    """c harms the answer the most, but it is a synonym of b and not of a."""
    method = Substitution(synonyms=table(tmp_path, "a,b", "b,c", "c,d"))
    bag = Bag({"a": 0.0, "b": 1.0, "c": 5.0, "d": 50.0})
    for budget, (found,) in zip([1, 2, 5], method.run(bag, [case("a a")], [1, 2, 5]), strict=True):
        assert sorted(found.sample.tokens) == (["a", "b"] if budget == 1 else ["b", "b"])
    assert all(set(tokens) <= {"a", "b"} for tokens in bag.asked)
    assert all(set(sample.tokens) == {"b"} for sample in method.draw(bag, [case("a a")], [5])[0])


def test_with_a_table_the_words_are_the_best_of_all_choices(tmp_path: Path) -> None:
    synonyms = {"please": ["light", "leaf"], "atom": ["proof", "cell"], "the": ["of", "a"]}
    method = Substitution(synonyms=table(tmp_path, *(f"{w},{s}" for w, found in synonyms.items() for s in found)))
    for seed in range(5):
        bag = Bag(random_weights(20, seed=seed))
        start = case("please energy atom the atom")
        choices = list(product(*([word, *synonyms.get(word, [])] for word in start.sample.tokens)))
        for k, (found,) in zip([1, 2, 4], method.run(bag, [start], [1, 2, 4]), strict=True):
            allowed = [tokens for tokens in choices if count_differences(start.sample.tokens, tokens) <= k]
            assert found.sample.tokens in allowed
            best = max(bag.margin(tokens) for tokens in allowed)
            assert bag.margin(found.sample.tokens) == pytest.approx(best, abs=1e-12)


def test_a_word_without_synonyms_stays(tmp_path: Path) -> None:
    method, bag = Substitution(synonyms=table(tmp_path, "big,huge")), Bag({})
    assert method.run(bag, [case("the light")], [2])[0][0].sample.tokens == ("the", "light")
    assert method.draw(bag, [case("the light")], [2])[0][0].tokens == ("the", "light")


def test_a_synonym_of_two_words_takes_the_place_of_one(tmp_path: Path) -> None:
    method, bag = Substitution(synonyms=table(tmp_path, "big,very large")), Bag({"big": -1.0})
    assert method.run(bag, [case("the big atom")], [1])[0][0].sample.tokens == ("the", "very", "large", "atom")


def test_a_synonym_of_two_words_does_not_fit_into_a_tree(tmp_path: Path) -> None:
    method = Substitution(synonyms=table(tmp_path, "big,very large", "big,huge"))
    bag = Bag({"big": 0.0, "very": 2.0, "huge": 1.0})
    start = Case(Sample(("the", "big", "atom"), tree=(2, 2, 2)), 0)
    for sample in [method.run(bag, [start], [1])[0][0].sample, method.draw(bag, [start], [1])[0][0]]:
        assert sample == Sample(("the", "huge", "atom"), tree=(2, 2, 2))


def test_without_a_table_words_of_the_vocabulary_take_the_place_of_others() -> None:
    victim = attacked()
    cases = right_cases(victim)
    for k, found, drawn in zip(
        [1, 3], Substitution().run(victim, cases, [1, 3]), Substitution().draw(victim, cases, [1, 3]), strict=True
    ):
        for one, sample in zip(cases * 2, [a.sample for a in found] + drawn, strict=True):
            assert count_differences(one.sample.tokens, sample.tokens) <= min(k, len(one.sample.tokens))
            assert set(sample.tokens) <= set(WORDS)
        assert [count_differences(c.sample.tokens, s.tokens) for c, s in zip(cases, drawn, strict=True)][:3] == [k] * 3


def test_without_a_table_no_word_is_replaced_by_itself() -> None:
    bag = Bag({"please": 0.0, "light": 0.0, "of": 0.0})
    edits = Substitution(choices=100).edits(bag, "please", np.random.default_rng(0))
    assert sorted(edits) == [("light",), ("of",)]
