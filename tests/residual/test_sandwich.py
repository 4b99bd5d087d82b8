"""Sandwich-LN: a branch is normalised at its input and at its output."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.model.compatibility import try_parts
from tests.factory import config
from tests.residual import oracle


def rule(x: Tensor, norm: oracle.Map, branch: oracle.Map, outer: oracle.Map) -> Tensor:
    return x + outer(branch(norm(x)))


def own(join: Any) -> tuple[Callable[[Tensor], Tensor]]:
    return (oracle.affine(join.outer_norm),)


def test_the_stream_after_a_branch_equals_the_paper() -> None:
    oracle.check_join("sandwich", rule, own)


def test_a_stack_of_three_blocks_equals_the_paper_with_gains_and_offsets() -> None:
    oracle.check_stack("sandwich", rule, closing=True, own=own)


def test_what_a_branch_adds_has_the_same_size_for_any_weights() -> None:
    x = torch.randn(2, 5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    join = oracle.build_join("sandwich", dim=64)
    for size in (1.0, 1e3, 1e6):
        added = join(x, lambda z, s=size: s * z.flip(-1)) - x
        assert (added.square().mean(-1) - 1).abs().max() < 1e-4  # eps of the norms


def test_layer_drop_is_refused_because_normalisation_would_undo_its_scale() -> None:
    try_parts(config(residual="sandwich"))
    with pytest.raises(ValueError, match="layer_drop does not go with residual=sandwich"):
        try_parts(config(residual="sandwich", layer_drop=0.1))
