"""Faithfulness of explanations, on a model whose truth is known."""

from itertools import permutations
from statistics import mean, variance

import pytest
import torch

from stackcli.diagnostics import faithfulness as faith
from stackcli.diagnostics.explained_texts import ExplainedTexts
from tests.explain.examples import bag, texts

WEIGHTS = (3, 1, -2, 0.5)


def ranks(order: tuple[int, ...]) -> torch.Tensor:
    """The rank of each token where tokens are taken in this order."""
    return torch.tensor(order)[None].argsort(1)


def test_the_areas_of_a_sum_are_known() -> None:
    model = bag(*WEIGHTS)
    scores = torch.tensor([WEIGHTS])

    def area(scores: torch.Tensor) -> float:
        return faith.delete_tokens(model, faith.rank_tokens(scores, model.mask)).area.item()

    assert area(scores) == -0.6875 and area(scores.abs()) == 0.6875 and area(-scores) == 3.1875
    every = [faith.delete_tokens(model, ranks(order)).area.item() for order in permutations(range(4))]
    assert sum(every) / 24 == pytest.approx(1.25) and max(every) == 3.1875 and min(every) == -0.6875
    inserted = faith.insert_tokens(model, faith.rank_tokens(scores, model.mask))
    assert inserted.logits.tolist() == [[0, 3, 4, 4.5, 2.5]] and inserted.area.item() == 3.1875


def test_comprehensiveness_and_sufficiency_of_a_sum_are_known() -> None:
    model = bag(*WEIGHTS)
    rank = faith.rank_tokens(torch.tensor([WEIGHTS]), model.mask)

    def both(count: int) -> tuple[float, float]:
        at = torch.tensor([count])
        return faith.comprehensiveness(model, rank, at).item(), faith.sufficiency(model, rank, at).item()

    assert both(1) == (3.0, -0.5) and both(2)[1] == -1.5 and both(9) == (2.5, 0)


def test_random_orders_are_near_the_mean_of_all_orders_and_the_same_every_time() -> None:
    model = bag(*WEIGHTS)
    found, again = faith.delete_at_random(model), faith.delete_at_random(model)
    assert found.area.item() == again.area.item() and 0.2 < found.area.item() < 2.3


def test_the_spread_is_that_of_the_logit_between_random_sets_of_equal_size() -> None:
    ranks_of = [faith.draw_ranks(torch.ones(1, 4, dtype=torch.bool), draw=i)[0] for i in range(faith.RANDOM)]
    logits = [[sum(w for w, r in zip(WEIGHTS, rank, strict=True) if r >= k) for rank in ranks_of] for k in (1, 2, 3)]
    expected = mean(variance([float(x) for x in row]) for row in logits) ** 0.5
    assert faith.delete_at_random(bag(*WEIGHTS)).spread.item() == pytest.approx(expected)


def test_a_long_text_is_measured_at_equal_shares_of_its_tokens() -> None:
    lengths = torch.tensor([40, 3])
    counts = faith.choose_counts(lengths).tolist()
    assert counts[0] == [round(40 * i / 16) for i in range(17)] and counts[1] == [0, 1, 2, *[3] * 14]
    weights = torch.linspace(1, -1, 40).tolist()
    exact = sum((sum(weights[k:]) + sum(weights[k + 1 :])) / 2 for k in range(40)) / 40
    deleted = faith.delete_tokens(bag(*weights), torch.arange(40)[None])
    assert deleted.area.item() == pytest.approx(exact, abs=0.03) and deleted.area.item() < -3


def test_an_order_is_scored_against_random_orders() -> None:
    model = bag(*WEIGHTS)
    at_random = faith.delete_at_random(model)
    found = faith.score_order(model, torch.tensor([WEIGHTS]), at_random)
    assert found.deletion.item() == pytest.approx(-0.6875 - at_random.area.item())
    assert found.insertion.item() == pytest.approx(3.1875 - at_random.area.item())
    assert (found.comprehensiveness.item(), found.sufficiency.item()) == (3.0, -0.5)


def test_equal_scores_are_ranked_from_left_to_right_and_padding_last() -> None:
    mask = torch.tensor([[True, True, True, False]])
    assert faith.rank_tokens(torch.tensor([[1.0, 1.0, 2.0, 9.0]]), mask).tolist() == [[1, 2, 0, 3]]


def test_the_area_of_a_padded_text_is_that_of_the_text_alone() -> None:
    def areas(one: ExplainedTexts, rank: torch.Tensor) -> list[float]:
        return [c(one, rank).area[-1].item() for c in (faith.delete_tokens, faith.insert_tokens)]

    both, alone = texts(slice(0, 2)), texts(slice(1, 2), 6)
    rank = torch.tensor([[3, 0, 1, 2, 5, 4, 6, 7, 8]])
    assert areas(both, rank.expand(2, -1)) == pytest.approx(areas(alone, rank[:, :6]), abs=1e-10)
