"""The defaults of every initialisation."""

import torch

from stackcli.init.base import Init


class Doubled(Init):
    """Token vectors with twice the standard deviation of the settings."""

    def token_std(self, std: float) -> float:
        return 2 * std


def drawn(init: Init) -> torch.Tensor:
    torch.manual_seed(0)
    table = torch.empty(7, 5)
    init.embedding(table, 0.3)
    return table


def test_token_vectors_are_normal_with_the_standard_deviation_of_the_settings_or_of_the_scheme() -> None:
    torch.manual_seed(0)
    unit = torch.empty(7, 5).normal_()
    sizes = {"depth": 1, "dim": 5, "branches": 2}
    assert torch.allclose(drawn(Init(**sizes)), 0.3 * unit, rtol=1e-6)
    assert torch.allclose(drawn(Doubled(**sizes)), 0.6 * unit, rtol=1e-6)


def test_a_bias_is_zero() -> None:
    bias = torch.ones(4)
    Init(depth=1, dim=5, branches=2).bias(bias, "q", 5)
    assert not bias.any()
