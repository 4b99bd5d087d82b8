"""Without an encoding the tokens are a set."""

import torch

from tests.factory import stack, tokens


def test_any_permutation_gives_the_same_answer() -> None:
    model, x = stack(pe="none"), tokens()
    for seed in range(5):
        order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
        assert (model(x) - model(x[:, order])).abs().max() < 1e-12


def test_it_has_no_parameters_and_ignores_positions() -> None:
    model, x = stack(pe="none"), tokens()
    assert sum(p.numel() for p in model.pe.parameters()) == 0
    assert torch.equal(model(x), model(x, pos=torch.arange(9) * 5))
