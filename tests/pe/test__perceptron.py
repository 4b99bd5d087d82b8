"""The perceptron of FIRE against loops over pairs and hidden units, whatever is computed together."""

import pytest
import torch
from torch import Tensor

from stackcli.pe import _perceptron
from stackcli.pe._perceptron import Perceptron

M, R, K, W, H = 3, 4, 5, 6, 2


def draw() -> tuple[Tensor, ...]:
    """Returns x (M, R, K), inner and bias (W, 1), outer (H, W)."""
    source = torch.Generator().manual_seed(0)
    shapes = ((M, R, K), (W, 1), (W, 1), (H, W))
    return tuple(torch.randn(s, dtype=torch.float64, generator=source).requires_grad_() for s in shapes)


@pytest.mark.parametrize("tile", [1, W * K * 2, W * K * R * 2, 2**18])
def test_outputs_and_derivatives_are_those_of_the_definition(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_perceptron, "TILE", tile)
    x, inner, bias, outer = draw()
    found: Tensor = Perceptron.apply(x, inner, bias, outer)  # type: ignore[no-untyped-call]
    assert found.shape == (M, H, R, K)
    for m, h, i, j in torch.cartesian_prod(*map(torch.arange, (M, H, R, K))).tolist():
        units = [
            max(0.0, float(w) * float(x[m, i, j]) + float(b)) for w, b in zip(inner[:, 0], bias[:, 0], strict=True)
        ]
        expected = sum(float(w) * a for w, a in zip(outer[h], units, strict=True))
        assert abs(float(found[m, h, i, j]) - expected) < 1e-12
    assert torch.autograd.gradcheck(Perceptron.apply, (x, inner, bias, outer))
