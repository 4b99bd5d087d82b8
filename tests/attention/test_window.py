"""A window: a token sees only tokens within reach, and L blocks see L times as far as one."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from stackcli.attention.window import Window
from tests.attention import oracle
from tests.factory import padding, part, stack, tokens


@pytest.mark.parametrize("length,reach", [(5, 1), (9, 3), (6, 4)])
def test_it_allows_the_tokens_within_reach_on_both_sides(length: int, reach: int) -> None:
    allowed = Window(reach=reach).allowed(length, torch.device("cpu"))
    assert allowed is not None
    assert allowed.tolist() == [[abs(i - j) <= reach for j in range(length)] for i in range(length)]


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("reach", [1, 2, 5])
def test_a_tokens_output_is_the_weighted_sum_over_those_within_reach(
    kernel: str, causal: bool, padded: bool, reach: int
) -> None:
    oracle.check_sums("window", reach, kernel=kernel, causal=causal, padded=padded)


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("residual", ["pre", "post"])
@pytest.mark.parametrize("depth,reach", [(1, 2), (2, 2), (3, 1), (3, 3)])
def test_a_causal_stack_depends_on_the_last_depth_times_reach_tokens_only(
    depth: int, reach: int, residual: str, kernel: str
) -> None:
    model = stack(
        attention=part("window", reach=reach), causal=True, depth=depth, residual=residual, kernel=kernel, pe="none"
    )
    for t, seen in enumerate(oracle.reached(model, 12)):
        assert seen == {s for s in range(12) if t - reach * depth <= s <= t}


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("depth,reach", [(1, 1), (2, 2), (3, 1)])
def test_without_a_causal_mask_it_depends_equally_far_on_both_sides(depth: int, reach: int, kernel: str) -> None:
    model = stack(attention=part("window", reach=reach), depth=depth, kernel=kernel, pe="none")
    for t, seen in enumerate(oracle.reached(model, 12)):
        assert seen == {s for s in range(12) if abs(s - t) <= reach * depth}


@pytest.mark.parametrize("pe", ["none", "alibi", "relative"])
def test_tokens_beyond_the_reach_do_not_change_a_single_bit(pe: str) -> None:
    model, first, seen = stack(attention=part("window", reach=2), causal=True, depth=2, pe=pe), tokens(2, 14), []
    model.stack[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    other = first.clone()
    other[:, 5] = other[:, 5] % 29 + 1
    model(first), model(other)
    changed = {t for t in range(14) if not torch.equal(seen[0][:, t], seen[1][:, t])}
    assert changed == set(range(5, 5 + 2 * 2 + 1))


def test_it_depends_on_the_order_of_tokens_not_on_positions() -> None:
    model = stack(attention=part("window", reach=2), causal=True, depth=1, pe="alibi")
    spread = oracle.reached(model, 8, pos=torch.arange(8) * 10)
    assert spread == [{s for s in range(8) if t - 2 <= s <= t} for t in range(8)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pe", ["none", "alibi", "rope", "relative"])
def test_a_window_as_wide_as_the_sequence_is_full_attention(pe: str, causal: bool) -> None:
    shared: dict[str, Any] = {"pe": pe, "causal": causal, "depth": 2}
    full = stack(attention="full", **shared)(tokens())
    assert torch.equal(stack(attention=part("window", reach=8), **shared)(tokens()), full)
    assert (stack(attention=part("window", reach=7), **shared)(tokens()) - full).abs().max() > 1e-9


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("pe", ["none", "alibi", "rope"])
def test_fused_and_explicit_kernels_agree_to_rounding_including_gradients(pe: str, causal: bool, padded: bool) -> None:
    mask, found = padding([9, 5, 0], 9) if padded else None, []
    for kernel in ("auto", "explicit"):
        model = stack(attention=part("window", reach=2), pe=pe, causal=causal, kernel=kernel)
        assert model.kernel == ("fused" if kernel == "auto" else "explicit")
        logits = model(tokens(), mask)
        F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()  # type: ignore[no-untyped-call]
        found.append([logits, *(p.grad for p in model.parameters())])
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_never_changes_an_answer(kernel: str, causal: bool) -> None:
    lengths = [9, 5, 1]
    model = stack(attention=part("window", reach=2), causal=causal, kernel=kernel)
    together = model(tokens(), padding(lengths, 9))
    alone = torch.cat([model(tokens()[i : i + 1, :n]) for i, n in enumerate(lengths)])
    assert (together - alone).abs().max() < 1e-12
