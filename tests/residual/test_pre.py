"""Pre-LN: the stream itself is normalised only at the end."""

from torch import Tensor

from tests.residual import oracle


def rule(x: Tensor, norm: oracle.Map, branch: oracle.Map) -> Tensor:
    return x + branch(norm(x))


def test_the_stream_after_a_branch_equals_the_paper() -> None:
    oracle.check_join("pre", rule)


def test_a_stack_of_three_blocks_equals_the_paper_with_gains_and_offsets() -> None:
    oracle.check_stack("pre", rule, closing=True)
