"""Raffel et al. 2020: the published buckets, and the bias by loops."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.t5 import T5, bucket
from tests.factory import stack, tokens
from tests.pe.oracle import POSITIONS, D, H, each_bias, heads


def plain(offset: int, *, buckets: int, reach: int, both: bool) -> int:
    """Computes the bucket with integers only: step k begins where (n / exact)^wide reaches (reach / exact)^k."""
    side = 0
    if both:
        buckets //= 2
        side, n = (buckets if offset > 0 else 0), abs(offset)
    else:
        n = max(0, -offset)
    exact = buckets // 2
    if n < exact:
        return side + n
    wide, step = buckets - exact, 0
    while step < wide - 1 and n**wide * exact ** (step + 1) >= reach ** (step + 1) * exact**wide:
        step += 1
    return side + exact + step


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("buckets,reach", [(32, 128), (32, 300), (8, 16), (64, 700)])
def test_the_bucket_of_every_offset_up_to_700_is_the_published_bucket(both: bool, buckets: int, reach: int) -> None:
    offsets = range(-700, 701)
    found = bucket(torch.tensor(list(offsets)), buckets=buckets, reach=reach, both=both).tolist()
    assert found == [plain(o, buckets=buckets, reach=reach, both=both) for o in offsets]


def test_some_buckets_of_the_papers_defaults_are_as_worked_out_by_hand() -> None:
    found = bucket(torch.tensor([0, -1, 1, -7, -8, -11, -12, 127, 128, 5000]), buckets=32, reach=128, both=True)
    assert found.tolist() == [0, 1, 17, 7, 8, 8, 9, 31, 31, 31]


@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("form", ["both", "causal"])
def test_the_bias_is_the_table_at_the_bucket(where: str, form: str) -> None:
    torch.manual_seed(0)
    pe = T5(dim=D, heads=H, max_len=9, buckets=8, reach=16, form=form).double()  # type: ignore[arg-type]

    def one(h: int, i: int, j: int) -> float:
        return float(pe.table[plain(j - i, buckets=8, reach=16, both=form == "both"), h])

    assert each_bias(pe, Context(POSITIONS[where]), one, *heads(2)) == 0.0


def test_a_shift_of_all_positions_changes_nothing_and_all_layers_share_one_table() -> None:
    model, x = stack(pe="t5", depth=3), tokens()
    assert torch.equal(model(x), model(x, pos=torch.arange(9) + 20)) and model.kernel == "explicit"
    assert sum("table" in name for name, _ in model.named_parameters()) == 1


@pytest.mark.parametrize("causal", [True, False])
def test_buckets_follow_the_direction_of_the_stack(causal: bool) -> None:
    pe, (q, k) = T5(dim=D, heads=H, max_len=300).double(), heads(2)
    bias = pe.bias(q, k, Context(torch.arange(300), causal=causal))[0]
    back = {float(pe.table[plain(-o, buckets=32, reach=128, both=not causal), 0]) for o in range(300)}
    assert {float(x) for x in bias[299]} == back and len(back) == (32 if causal else 16)


def test_the_table_for_figures_follows_the_direction_of_the_stack() -> None:
    model = stack(pe="t5", causal=True)
    _, at, rows = next(model.pe.tables())
    assert rows[at > 0].isnan().all()
    each = [plain(int(o), buckets=32, reach=128, both=False) for o in at[at <= 0]]
    assert isinstance(model.pe, T5)
    assert torch.equal(rows[at <= 0].detach(), model.pe.table.detach()[each])


@pytest.mark.parametrize("form,least", [("auto", 16), ("both", 8), ("causal", 16)])
def test_too_few_buckets_or_too_short_a_reach_is_refused(form: str, least: int) -> None:
    T5(dim=8, heads=2, max_len=9, reach=least + 1, form=form)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"pe\.reach above {least}"):
        T5(dim=8, heads=2, max_len=9, reach=least, form=form)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="multiple of"):
        T5(dim=8, heads=2, max_len=9, buckets=9, form=form)  # type: ignore[arg-type]


def test_the_table_is_drawn_as_in_the_authors_code() -> None:
    assert math.isclose(float(T5(dim=400, heads=100, max_len=9).table.detach().std()), 0.05, rel_tol=0.1)
