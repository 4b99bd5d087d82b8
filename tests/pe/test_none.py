"""Without an encoding the tokens are a set."""

import pytest
import torch

from tests.factory import padding, stack, tokens


def test_any_permutation_gives_the_same_answer() -> None:
    model, x = stack(pe="none"), tokens()
    for seed in range(5):
        order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
        assert (model(x) - model(x[:, order])).abs().max() < 1e-12


def test_it_has_no_parameters_and_ignores_positions() -> None:
    model, x = stack(pe="none"), tokens()
    assert sum(p.numel() for p in model.pe.parameters()) == 0
    assert torch.equal(model(x), model(x, pos=torch.arange(9) * 5))


@pytest.mark.parametrize("residual", ["pre", "post", "none"])
def test_a_permutation_permutes_every_blocks_output(residual: str) -> None:
    model, x, seen = stack(pe="none", residual=residual, depth=3), tokens(), []
    for block in model.stack:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    model(x), model(x[:, order])
    for plain, permuted in zip(seen[:3], seen[3:], strict=True):
        assert (plain[:, order] - permuted).abs().max() < 1e-12


def test_padding_may_be_anywhere() -> None:
    model, x, mask = stack(pe="none"), tokens(), padding([9, 5, 2], 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    assert (model(x, mask) - model(x[:, order], mask[:, order])).abs().max() < 1e-12


def test_a_causal_mask_reveals_the_order() -> None:
    model, x = stack(pe="none", causal=True), tokens()
    assert (model(x) - model(x.flip(1))).abs().max() > 1e-9
