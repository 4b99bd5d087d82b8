"""ReZero: gates start at zero, and nothing is normalised."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from stackcli.config.grid import parse_grid
from stackcli.config.yaml_files import UsageError
from stackcli.diagnostics import encoding_checks
from stackcli.pe.base import Context
from tests.factory import config, padding, stack, tokens
from tests.residual import oracle


def rule(x: Tensor, norm: oracle.Map, branch: oracle.Map, gate: Tensor) -> Tensor:
    return x + gate * branch(x)


def own(join: Any) -> tuple[Tensor]:
    return (join.gate,)


def test_the_stream_after_a_branch_equals_the_paper() -> None:
    oracle.check_join("rezero", rule, own)


def test_a_stack_of_three_blocks_equals_the_paper_with_random_gates() -> None:
    oracle.check_stack("rezero", rule, closing=False, own=own)


@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_at_first_the_stack_is_the_identity_and_so_is_its_jacobian(ff: float) -> None:
    model = stack(residual="rezero", norm="none", depth=4, ff=ff, pe="relative")
    x = torch.randn(1, 5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def through(x: Tensor) -> Tensor:
        for block in model.stack:
            x = block(x, Context(torch.arange(5)), model.pe)
        return x

    assert torch.equal(through(x), x)
    slopes = jacobian(through, x)  # type: ignore[no-untyped-call]
    assert torch.equal(slopes.reshape(80, 80), torch.eye(80, dtype=torch.float64))


def test_at_first_the_gradient_of_every_branch_is_zero_and_that_of_every_gate_is_not() -> None:
    model = stack(residual="rezero", norm="none", depth=4)
    model(tokens(), padding([9, 5, 1], 9)).square().sum().backward()
    inside = {name: p.grad for name, p in model.named_parameters() if name.startswith("blocks.")}
    gates = {name for name in inside if "gate" in name}
    assert len(gates) == 4 and len(inside) == 4 + 4 * 8
    assert all(grad is not None and bool(grad.any()) == (name in gates) for name, grad in inside.items())


def test_a_block_has_its_own_gate_which_both_of_its_branches_share() -> None:
    model = stack(residual="rezero", norm="none", depth=3)
    gates = [[join.gate for join in block.joins()] for block in model.stack]
    assert all(len(pair) == 2 and pair[0] is pair[1] for pair in gates)
    assert len({id(block.join.gate) for block in model.stack}) == 3
    assert len({id(p) for p in model.parameters() if p.dim() == 0}) == 3


def test_shared_layers_share_one_gate() -> None:
    model = stack(residual="rezero", norm="none", depth=3, share_layers=True)
    assert len({id(join.gate) for block in model.stack for join in block.joins()}) == 1


def test_nothing_is_normalised_whatever_norm_is_given() -> None:
    model = stack(residual="rezero", norm="layer")
    assert not [name for name, _ in model.named_parameters() if "norm" in name or "closing" in name]


def test_the_default_norm_is_removed() -> None:
    grid = parse_grid(["residual=pre,rezero", "seeds=1"])
    assert [(c.residual.name, c.norm.name) for c in grid.configs] == [("pre", "layer"), ("rezero", "none")]


def test_another_norm_is_refused() -> None:
    for schemes in ("rezero", "pre,rezero"):
        with pytest.raises(UsageError, match="residual=rezero needs norm=none, not layer; leave norm out"):
            parse_grid([f"residual={schemes}", "norm=layer", "seeds=1"])
    assert parse_grid(["residual=rezero", "norm=none", "seeds=1"]).configs[0].norm.name == "none"


def test_encoding_checks_open_the_gates() -> None:
    seen = encoding_checks.stack(config(residual="rezero", norm="none", dim=16, heads=2, pe="alibi"), 9)
    assert not torch.allclose(seen(tokens()).flip(1), seen(tokens().flip(1)), atol=1e-6)
