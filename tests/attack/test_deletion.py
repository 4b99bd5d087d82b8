"""Deletion of words of a bag, beside all sets of words, and of a stack, beside a loop of its own."""

from itertools import combinations

import pytest
import torch

from stackcli.attack.deletion import Deletion
from tests.attack.examples import Bag, attacked, bag_stack, case, is_subsequence, random_weights, right_cases, task

TEXT = "please answer think energy light with atom cell proof theorem"


@pytest.mark.parametrize("seed", range(5))
def test_of_a_sum_the_words_left_out_are_the_best_set_of_all(seed: int) -> None:
    bag, start = Bag(random_weights(10, seed=seed)), case(TEXT)
    for k, (found,) in zip([1, 2, 3, 5], Deletion().run(bag, [start], [1, 2, 3, 5]), strict=True):
        sums = [
            bag.margin(start.sample.tokens) - sum(bag.weights[word] for word in left_out)
            for count in range(k + 1)
            for left_out in combinations(start.sample.tokens, count)
        ]
        assert bag.margin(found.sample.tokens) == pytest.approx(max(sums), abs=1e-12)
        assert is_subsequence(found.sample.tokens, start.sample.tokens)
        assert len(start.sample.tokens) - len(found.sample.tokens) <= k


def test_of_a_mean_each_word_is_the_best_after_those_before() -> None:
    """Of a mean a set can be better than the words one by one, so that the loop is the definition."""
    model = bag_stack()
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([30.0, 0.0]))  # the answer stays right, and the search goes on
    victim, start = attacked(model), case(TEXT)
    slope = (model.head.weight[1] - model.head.weight[0]).detach()
    words = {
        word: float(model.embedding.weight[i].detach() @ slope) for word in TEXT.split() for (i,) in victim.read([word])
    }

    def mean(left: list[str]) -> float:
        return sum(words[word] for word in left) / len(left)

    left, found = TEXT.split(), Deletion().run(victim, [start], [1, 2, 3, 4])
    for (attempt,) in found:
        shorter = [[w for w in left if w != out] for out in left]
        left = max([left, *shorter], key=mean)
        assert list(attempt.sample.tokens) == left


def test_nothing_is_left_out_where_that_would_help_the_stack() -> None:
    bag = Bag({"please": 1.0, "light": 2.0})
    for (found,) in Deletion().run(bag, [case("please light please")], [1, 2]):
        assert found.sample.tokens == ("please", "light", "please")


def test_it_stops_at_the_first_wrong_answer() -> None:
    bag = Bag({"please": -1.0, "light": -2.0}, bias=3.5)
    ((found,),) = Deletion().run(bag, [case("please light please")], [3])
    assert found.sample.tokens == ("please", "please")


def test_a_text_that_is_answered_wrongly_stays_as_it_is() -> None:
    bag = Bag({"please": -1.0}, bias=5.0)
    ((found,),) = Deletion().run(bag, [case("please please")], [1])
    assert found.sample.tokens == ("please", "please")


def test_one_word_is_always_left() -> None:
    """The tokens of a task have no unknown token that a text without any could stand for."""
    victim = task("majority")
    start = case("x0 x1 x1", 1)
    ((found,),), ((control,),) = Deletion().run(victim, [start], [3]), Deletion().draw(victim, [start], [3])
    assert found.sample.tokens and control.tokens
    bag = Bag({"please": -1.0})
    assert Deletion().run(bag, [case("please")], [1])[0][0].sample.tokens == ("please",)
    assert Deletion().draw(bag, [case("please please")], [5])[0][0].tokens == ("please",)


def test_an_input_of_order_keeps_its_zero_and_its_one() -> None:
    victim = task("order")
    cases = [case("x1 0 x2 x3 1 x0", 1), case("1 0", 0), case("x1 x2 1 x0 0", 0)]
    attempts, controls = Deletion().run(victim, cases, [2])[0], Deletion().draw(victim, cases, [2])[0]
    for sample in [*(attempt.sample for attempt in attempts), *controls]:
        assert sample.tokens.count("0") == sample.tokens.count("1") == 1
    assert [len(sample.tokens) for sample in controls] == [4, 2, 3]


def test_the_number_of_words_tried_at_a_step_is_limited() -> None:
    bag = Bag(random_weights(10))
    ((found,),) = Deletion(tries=4).run(bag, [case(TEXT)], [1])
    assert found.queries == bag.queries <= 5
    assert len(set(bag.asked)) == len(bag.asked)


def test_two_texts_of_a_stack_get_what_each_gets_alone() -> None:
    victim = attacked()
    cases = right_cases(victim)
    together = [attempt.sample for attempt in Deletion().run(victim, cases, [2])[0]]
    assert together == [Deletion().run(victim, [one], [2])[0][0].sample for one in cases]
