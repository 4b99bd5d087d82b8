"""The join, by hand."""

import torch
from torch import nn

from stackcli import parts


def test_the_stream_after_a_branch_is_the_papers() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)
    join = parts.build("residual", "post", dim=4, depth=2, layer=1, norm=lambda: nn.LayerNorm(4).double())

    def norm(z: torch.Tensor) -> torch.Tensor:
        return (z - z.mean(-1, keepdim=True)) / (z.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    expected = norm(x + x @ w)
    assert (join(x, lambda z: z @ w) - expected).abs().max() < 1e-12
    assert join.closing_norm is False
