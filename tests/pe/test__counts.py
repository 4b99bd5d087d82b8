"""Sums of gates, and numbers interpolated at them, against their definition over all triples of tokens."""

import pytest
import torch
from torch import Tensor

from stackcli.pe import _counts
from stackcli.pe._counts import add_at_counts, add_up, near_keys, sum_in_chunks
from tests.factory import padding

N, H = 2, 2
MASKS = {
    "no padding": None,
    "after": padding([150, 90], 150),
    "before": padding([150, 90], 150).flip(1),
    "between": padding([60, 20], 150) | padding([60, 100], 150).flip(1),
}


def draw(length: int, most: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Returns scores (N, H, T, T) and the numbers of whole sums, from the largest after the query to the largest up to
    it, (N, H, T, 2 P)."""
    source = torch.Generator().manual_seed(seed)
    scores = torch.randn(N, H, length, length, dtype=torch.float64, generator=source)
    numbers = torch.randn(N, H, length, 2 * most, dtype=torch.float64, generator=source)
    return scores.requires_grad_(), numbers.requires_grad_()


def added(scores: Tensor, numbers: Tensor, real: Tensor | None, *, causal: bool, inside: bool) -> Tensor:
    """Applies `add_at_counts` to a copy of the scores and to numbers of whole sums."""
    places = torch.cat((numbers[..., :1], numbers, numbers[..., -1:]), dim=-1)  # (N, H, T, W)
    return add_at_counts(scores.clone(), places, real, causal=causal, inside=inside)


def definition(scores: Tensor, numbers: Tensor, real: Tensor | None) -> Tensor:
    """The interpolated number at the sum of the gates between query and key, both included."""
    T, most, at = scores.shape[-1], numbers.shape[-1] // 2, torch.arange(scores.shape[-1])
    i, j, t = at[:, None, None], at[None, :, None], at[None, None, :]
    between = (t >= torch.minimum(i, j)) & (t <= torch.maximum(i, j))
    gate = scores.sigmoid() if real is None else scores.sigmoid() * real[:, None, None, :]
    count = torch.einsum("nhit,ijt->nhij", gate, between.to(gate)).clamp(max=most - 1)
    low = count.detach().floor().long()
    table = {False: numbers[..., most:], True: numbers[..., :most].flip(-1)}  # by whole sum
    found = []
    for after in (False, True):
        here, above = (table[after].gather(-1, row) for row in (low, (low + 1).clamp(max=most - 1)))
        found.append(here + (count - low) * (above - here))
    return torch.where((at[None, :] > at[:, None]).expand(T, T), found[1], found[0])


def pairs_that_count(real: Tensor | None, length: int, causal: bool) -> Tensor:
    """True where query and key are real, and where causal the key is not after the query, (N, 1, T, T)."""
    real = torch.ones(N, length, dtype=torch.bool) if real is None else real
    both = real[:, None, :, None] & real[:, None, None, :]
    return both.tril() if causal else both


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("which", MASKS)
@pytest.mark.parametrize("most,tile", [(2, 1), (9, 2**14), (40, 2**18), (151, 2**18)])
def test_numbers_and_gradients_are_those_of_the_definition(
    which: str, causal: bool, most: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_counts, "TILE", tile)
    real, (scores, numbers) = MASKS[which], draw(150, most)
    counts = pairs_that_count(real, 150, causal)
    goal = torch.randn(scores.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * counts
    goal = goal.transpose(-1, -2).contiguous().transpose(-1, -2)  # as some kinds of attention give it
    bias = definition(scores, numbers, real)
    for inside, expected in ((False, bias), (True, scores + bias)):
        found = added(scores, numbers, real, causal=causal, inside=inside)
        assert float(((found - expected) * counts).abs().max()) < 1e-12
        for a, b in zip(
            *(torch.autograd.grad(y, (scores, numbers), goal, True) for y in (found, expected)), strict=True
        ):
            assert float(b.abs().max()) > 0.1 and float((a - b).abs().max()) < 1e-12


def test_the_derivatives_are_those_of_finite_differences() -> None:
    scores, numbers = draw(5, 3, seed=2)
    for inside in (False, True):
        assert torch.autograd.gradcheck(
            lambda s, n, i=inside: added(s, n, None, causal=False, inside=i), (scores, numbers)
        )


def test_far_keys_are_left_out_and_no_near_key_is() -> None:
    gate = torch.full((1, 64, 512), 0.5)
    sums = add_up(gate)
    assert near_keys(sums, slice(256, 320), 10, None) in (slice(239, 336), slice(239, 337))  # 9 / 0.5 = 18 keys
    assert near_keys(sums, slice(256, 320), 1000, None) == slice(0, 512)
    real = torch.ones(1, 512, dtype=torch.bool)
    real[:, :250] = real[:, 330:] = False
    sums = add_up(gate * real[:, None])
    assert near_keys(sums, slice(256, 320), 30, real) == slice(250, 330)


@pytest.mark.parametrize("length", [20, 150])
def test_nan_spreads_to_its_own_query_only(length: int) -> None:
    scores, numbers = draw(length, 9)
    broken = scores.detach().clone()
    broken[0, 0, 7, 3] = float("nan")
    broken.requires_grad_()
    found = added(broken, numbers, None, causal=False, inside=True)
    assert found[0, 0, 7, 3].isnan() and int(found.isnan().sum()) == 1
    whole = added(scores, numbers, None, causal=False, inside=True)
    assert torch.equal(found[1], whole[1]) and torch.equal(found[0, 0, 8:], whole[0, 0, 8:])
    assert all(bool(g[1].isfinite().all()) for g in torch.autograd.grad(found.sum(), (broken, numbers)))


def test_what_is_near_other_queries_changes_no_bit() -> None:
    scores, numbers = (x.detach().float() for x in draw(200, 9))
    wide = torch.cat((scores[:1], torch.full_like(scores[1:], -9.0)))  # whose sums grow slowly: all keys are near
    a, b = (added(s, numbers, None, causal=False, inside=True) for s in (scores, wide))
    assert torch.equal(a[0], b[0]) and not torch.equal(a[1], b[1])
    changed, kept = scores.clone(), torch.arange(200)[:, None] < 100
    changed[..., 100:, :] = changed[..., 100:] = -9.0  # other scores of later queries and of later keys
    a, b = (added(s, numbers, None, causal=True, inside=True) for s in (scores, changed))
    before = kept & kept.T & torch.ones(200, 200, dtype=torch.bool).tril()
    assert torch.equal(a[..., before], b[..., before])


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_the_sum_in_chunks_is_the_running_sum(length: int) -> None:
    source = torch.Generator().manual_seed(length)
    x = torch.rand(2, 3, length, dtype=torch.float64, generator=source)
    found, expected = sum_in_chunks(x), x.cumsum(-1)
    assert found.shape == expected.shape and (found - expected).abs().max() < 1e-12
    assert torch.equal(add_up(x)[..., 1:], expected) and not add_up(x)[..., 0].any()
