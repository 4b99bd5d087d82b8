"""What all methods share."""

import pytest
import torch

from stackcli.common import registry
from stackcli.explain.base import Attribution
from tests.explain.examples import LENGTHS, texts


def test_the_error_is_a_share_of_the_target_or_of_the_largest_number() -> None:
    found = Attribution(torch.tensor([[3.0, -1.0], [6.0, -6.0]]), None, torch.tensor([4.0, 0.5]))
    assert found.error is not None and found.error.tolist() == pytest.approx([0.5, 0.5 / 6])


@pytest.mark.parametrize("name", registry.part_names("explain"))
def test_every_method_gives_padding_exactly_0_and_a_text_the_same_numbers_alone(name: str) -> None:
    method, one = registry.build_part("explain", name), texts()
    found = method.attribute(one)
    assert bool((found.tokens.masked_select(~one.mask) == 0).all()) and bool(found.tokens.isfinite().all())
    alone = method.attribute(texts(slice(1, 2), 6)).tokens[0]
    torch.testing.assert_close(alone, found.tokens[1, :6], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", registry.part_names("explain"))
@pytest.mark.parametrize("pe", ["relative", "alibi"])
def test_padding_on_the_left_changes_nothing_with_a_relative_encoding(name: str, pe: str) -> None:
    method = registry.build_part("explain", name)
    right, left = (method.attribute(texts(pe=pe, left=left)).tokens for left in (False, True))
    for row, n in enumerate(LENGTHS):
        torch.testing.assert_close(left[row, 9 - n :], right[row, :n], rtol=0, atol=1e-10)
        assert bool((left[row, : 9 - n] == 0).all())
