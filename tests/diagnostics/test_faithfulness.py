"""Faithfulness of explanations, on a model whose truth is known."""

from itertools import permutations

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
    deleted, inserted = faith.delete_tokens(model, rank), faith.insert_tokens(model, rank)
    assert faith.comprehensiveness(deleted, 1).item() == 3.0
    assert faith.sufficiency(inserted, 1).item() == -0.5 and faith.sufficiency(inserted, 2).item() == -1.5
    assert faith.comprehensiveness(deleted, 9).item() == 2.5 and faith.sufficiency(inserted, 9).item() == 0


def test_random_orders_are_near_the_mean_of_all_orders_and_the_same_every_time() -> None:
    model = bag(*WEIGHTS)
    found = faith.random_area(model).item()
    assert found == faith.random_area(model).item() and 0.2 < found < 2.3


def test_equal_scores_are_ranked_from_left_to_right_and_padding_last() -> None:
    mask = torch.tensor([[True, True, True, False]])
    assert faith.rank_tokens(torch.tensor([[1.0, 1.0, 2.0, 9.0]]), mask).tolist() == [[1, 2, 0, 3]]


def test_the_area_of_a_padded_text_is_that_of_the_text_alone() -> None:
    def areas(one: ExplainedTexts, rank: torch.Tensor) -> list[float]:
        return [c(one, rank).area[-1].item() for c in (faith.delete_tokens, faith.insert_tokens)]

    both, alone = texts(slice(0, 2)), texts(slice(1, 2), 6)
    rank = torch.tensor([[3, 0, 1, 2, 5, 4, 6, 7, 8]])
    assert areas(both, rank.expand(2, -1)) == pytest.approx(areas(alone, rank[:, :6]), abs=1e-10)
