"""Press et al. 2022: the published slopes, and the bias by loops."""

import math

import pytest
import torch

from stackcli.pe.alibi import Alibi, slopes
from stackcli.pe.base import Context
from tests.factory import padding, part, stack, tokens
from tests.pe.oracle import POSITIONS, D, H, each_bias, heads

BLOOM = {  # slopes of 6 and 12 heads, from BLOOM in transformers
    6: [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125],
    12: [
        0.5,
        0.25,
        0.125,
        0.0625,
        0.03125,
        0.015625,
        0.0078125,
        0.00390625,
        0.70710678,
        0.35355339,
        0.17677670,
        0.08838835,
    ],
}


def test_the_slopes_of_eight_heads_are_the_powers_of_a_half() -> None:
    assert slopes(8) == [2.0**-i for i in range(1, 9)]
    assert all(math.isclose(a, 2 ** (-i / 2)) for i, a in enumerate(slopes(16), start=1))


@pytest.mark.parametrize("n", BLOOM)
def test_the_slopes_of_other_numbers_of_heads_equal_those_of_bloom(n: int) -> None:
    assert all(abs(a - b) < 1e-7 for a, b in zip(slopes(n), BLOOM[n], strict=True))


@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("form", ["symmetric", "asymmetric", "causal"])
def test_the_bias_is_minus_slope_times_distance(where: str, form: str) -> None:
    pe = Alibi(dim=D, heads=H, max_len=9, form=form)  # type: ignore[arg-type]
    steep = [1 / 16, 1 / 256] * 2 if form == "asymmetric" else [1 / 4, 1 / 16, 1 / 64, 1 / 256]

    def one(h: int, i: int, j: int) -> float:
        ahead = form == "asymmetric" and h >= H // 2
        blind = form != "symmetric" and (j < i if ahead else j > i)
        return -math.inf if blind else -steep[h] * abs(i - j)

    assert each_bias(pe, Context(POSITIONS[where]), one, *heads(2)) == 0.0


def test_symmetric_cannot_tell_a_text_from_its_reversal_and_asymmetric_can() -> None:
    x = tokens()
    for form, low, high in (("symmetric", 0.0, 1e-12), ("asymmetric", 1e-4, math.inf)):
        model = stack(pe=part("alibi", form=form))
        assert low <= float((model(x) - model(x.flip(1))).detach().abs().max()) <= high


@pytest.mark.parametrize("form", ["symmetric", "asymmetric", "causal"])
def test_a_shift_and_padding_change_nothing_and_the_kernels_agree(form: str) -> None:
    x, pe = tokens(), part("alibi", form=form)
    model, by_hand = stack(pe=pe), stack(pe=pe, kernel="explicit")
    assert model.kernel == "fused" and by_hand.kernel == "explicit"
    assert torch.equal(model(x), model(x, pos=torch.arange(9) + 20))
    mask = padding([9, 4, 1], 9)
    assert (model(x, mask) - by_hand(x, mask)).abs().max() < 1e-12
    assert (model(x, mask)[1] - model(x[1:2, :4])[0]).abs().max() < 1e-12


def test_auto_is_causal_in_a_causal_model_and_asymmetric_in_an_encoder() -> None:
    x = tokens()
    for causal, form in ((True, "causal"), (False, "asymmetric")):
        auto, named = (stack(pe=part("alibi", form=f), causal=causal) for f in ("auto", form))
        assert torch.equal(auto(x), named(x))


def test_an_odd_number_of_heads_is_refused_by_the_asymmetric_form() -> None:
    with pytest.raises(ValueError, match="even number of heads"):
        Alibi(dim=9, heads=3, max_len=9, form="asymmetric")
