"""Su et al. 2021: rotating a pair of dimensions multiplies a complex number by exp(i pos theta)."""

import cmath
import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.rope import Rope
from tests.factory import part, stack, tokens
from tests.pe.oracle import POSITIONS, B, D, E, H, T, heads


def plane(layout: str, i: int, turned: int) -> tuple[int, int]:
    return (2 * i, 2 * i + 1) if layout == "interleaved" else (i, i + turned // 2)


@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("layout", ["interleaved", "half"])
@pytest.mark.parametrize(
    "base,share,linear,ntk", [(10000.0, 1.0, 1.0, 1.0), (50.0, 0.5, 4.0, 1.0), (100.0, 1.0, 1.0, 8.0)]
)
def test_queries_and_keys_are_complex_numbers_rotated_by_their_position(
    where: str, layout: str, base: float, share: float, linear: float, ntk: float
) -> None:
    pe = Rope(dim=D, heads=H, max_len=64, base=base, share=share, layout=layout, linear=linear, ntk=ntk)  # type: ignore[arg-type]
    q, k = heads(2)
    turned = int(E * share)
    base = base * (ntk ** (turned / (turned - 2)) if turned > 2 else ntk)
    for x, y in zip((q, k), pe.rotate(q, k, Context(POSITIONS[where])), strict=True):
        assert torch.equal(x[..., turned:], y[..., turned:])
        for b in range(B):
            pos = POSITIONS[where] if POSITIONS[where].dim() == 1 else POSITIONS[where][b]
            for t in range(T):
                for i in range(turned // 2):
                    at, to = plane(layout, i, turned)
                    turn = cmath.exp(1j * (int(pos[t]) / linear) * base ** (-2 * i / turned))
                    for h in range(H):
                        z = complex(x[b, h, t, at], x[b, h, t, to]) * turn
                        assert abs(z - complex(y[b, h, t, at], y[b, h, t, to])) < 1e-12


@pytest.mark.parametrize("layout", ["interleaved", "half"])
def test_a_shift_of_all_positions_changes_nothing(layout: str) -> None:
    model, x = stack(pe=part("rope", layout=layout)), tokens()
    assert (model(x, pos=torch.arange(9)) - model(x, pos=torch.arange(9) + 20)).abs().max() < 1e-12


def test_the_two_layouts_differ_only_by_the_order_of_dimensions() -> None:
    inter, half = (Rope(dim=D, heads=H, max_len=9, layout=layout) for layout in ("interleaved", "half"))
    q, k = heads(2)
    order = torch.tensor([0, 2, 1, 3])  # interleaved dimensions in the order of half
    ctx = Context(torch.arange(T) * 5)
    one = inter.rotate(q, k, ctx)
    two = half.rotate(q[..., order], k[..., order], ctx)
    assert all((a[..., order] - b).abs().max() < 1e-12 for a, b in zip(one, two, strict=True))
    assert (one[0] - half.rotate(q, k, ctx)[0]).abs().max() > 0.5


def test_ntk_stretches_the_slowest_plane_by_the_factor_and_leaves_the_fastest() -> None:
    plain, long = (Rope(dim=64, heads=1, max_len=9, ntk=ntk) for ntk in (1.0, 8.0))
    assert math.isclose(float(plain.freq[-1] / long.freq[-1]), 8.0) and float(plain.freq[0]) == float(long.freq[0])


@pytest.mark.parametrize("dim,share,turned", [(4, 1.0, 1), (16, 0.45, 7), (64, 0.01, 0)])
def test_an_odd_number_of_dimensions_is_refused_and_an_even_share_suggested(
    dim: int, share: float, turned: int
) -> None:
    with pytest.raises(ValueError, match=rf"leaves {turned}"):
        Rope(dim=dim, heads=4 if dim == 4 else 1, max_len=9, share=share)
    if dim > 4:
        with pytest.raises(ValueError, match=r"write pe\.share=") as refused:
            Rope(dim=dim, heads=1, max_len=9, share=share)
        named = float(str(refused.value).partition("pe.share=")[2].partition("write pe.share=")[2].split()[0])
        assert Rope(dim=dim, heads=1, max_len=9, share=named).turned in (turned + 1, turned - 1, 2)


def test_share_is_rounded_down_to_whole_dimensions_as_in_transformers() -> None:
    assert Rope(dim=64, heads=1, max_len=9, share=0.25).turned == 16
    assert Rope(dim=80, heads=1, max_len=9, share=0.4).turned == int(0.4 * 80) == 32
    assert Rope(dim=96, heads=1, max_len=9, share=0.28).turned == int(0.28 * 96) == 26


@pytest.mark.parametrize("stretch", [1.0, 4.0])
@pytest.mark.parametrize("length", [5, 8, 9, 40])
def test_dynamic_grows_the_base_with_the_length_as_in_transformers(length: int, stretch: float) -> None:
    """The rule of modeling_rope_utils: base ((f L / L0) - (f - 1))^(R / (R - 2)) for L above L0, else the base."""
    pe, trained = Rope(dim=8, heads=1, max_len=64, dynamic=8, stretch=stretch), 8
    grown = 10000.0
    if length > trained:
        grown *= ((stretch * length / trained) - (stretch - 1)) ** (8 / (8 - 2))
    expected = torch.tensor([[p * grown ** (-2 * i / 8) for i in range(4)] for p in range(length)], dtype=torch.float64)
    assert (pe.angles(Context(torch.arange(length)))[0] - expected).abs().max() < 1e-12


def test_dynamic_depends_on_the_length_of_each_sequence_and_ignores_a_shift() -> None:
    from tests.factory import padding

    model, x = stack(pe=part("rope", dynamic=4)), tokens()
    mask = padding([9, 6, 3], 9)
    batch = model(x, mask)
    for i, n in enumerate([9, 6, 3]):
        assert (batch[i] - model(x[i : i + 1, :n])[0]).abs().max() < 1e-12
    assert (batch - model(x, mask, pos=torch.arange(9) + 20)).abs().max() < 1e-12
    assert (batch[0] - stack(pe="rope")(x[:1])[0]).abs().max() > 1e-6
