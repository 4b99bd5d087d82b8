"""Agreement of explanations."""

import pytest
import torch
from scipy.stats import rankdata, spearmanr

from stackcli.diagnostics import explanation_agreement as agreement


def test_it_is_spearmans_correlation_over_the_real_tokens() -> None:
    one, other = torch.tensor([[3.0, 1, 1, 2, 9]]), torch.tensor([[1.0, 0, 5, 5, -9]])
    mask = torch.tensor([[True, True, True, True, False]])
    found = agreement.rank_correlation(one, other, mask)
    assert found.item() == pytest.approx(spearmanr(one[0, :4], other[0, :4]).statistic)
    assert agreement.mean_ranks(one, mask).tolist() == [[*rankdata(one[0, :4]), 0]]


def test_numbers_that_are_all_equal_have_no_correlation() -> None:
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert agreement.rank_correlation(torch.ones(1, 3), torch.tensor([[1.0, 2, 3]]), mask).isnan().all()


def test_signs_are_left_out_where_one_of_two_methods_has_none() -> None:
    mask = torch.ones(1, 3, dtype=torch.bool)
    scores = {"a": torch.tensor([[1.0, -3, 2]]), "b": torch.tensor([[1.0, 3, 2]]), "c": torch.tensor([[1.0, -3, 2]])}
    found = agreement.method_agreement(scores, {"a": True, "b": False, "c": True}, mask)
    assert {pair: round(value.item(), 9) for pair, value in found.items()} == {
        ("a", "b"): 1, ("a", "c"): 1, ("b", "c"): 1,
    }  # fmt: skip
    signed = agreement.method_agreement(scores, dict.fromkeys("abc", True), mask)
    assert signed["a", "b"].item() == pytest.approx(-0.5)
    mean = agreement.mean_agreement(signed, "a")
    assert mean is not None and mean.item() == pytest.approx(0.25)
    assert agreement.mean_agreement({}, "a") is None
