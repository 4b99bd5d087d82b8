"""Window, global and random blocks: which are seen, and that the random ones are fixed."""

import pytest
import torch

from stackcli.attention.blocks import Blocks
from tests.attention import oracle
from tests.factory import part, stack

pytestmark = pytest.mark.usefixtures("cut_short")


def pattern(**given: int) -> Blocks:
    own = {"seed": 0, "layer": 1, "max_len": 64, "block": 4, "reach": 1, "globals": 1, "random": 2}
    return Blocks(**{**own, **given})


@pytest.mark.parametrize("length", [1, 9, 40, 63])
@pytest.mark.parametrize("reach,first,random", [(1, 1, 2), (0, 0, 1), (2, 3, 0)])
def test_a_query_sees_its_window_the_global_and_its_random_blocks(
    reach: int, first: int, random: int, length: int
) -> None:
    found = pattern(reach=reach, globals=first, random=random)
    drawn = found.drawn(-(-length // 4)).tolist()

    def sees(i: int, j: int) -> bool:
        q, k = i // 4, j // 4
        return abs(q - k) <= reach or min(q, k) < first or k in drawn[q]

    allowed = found.allowed(length, torch.device("cpu"))
    assert allowed is not None
    assert allowed.tolist() == [[sees(i, j) for j in range(length)] for i in range(length)]


def test_random_blocks_are_distinct_earlier_ones_that_are_not_seen_anyway() -> None:
    rows = pattern(random=3).drawn(30).tolist()
    for q, row in enumerate(rows):
        chosen = [k for k in row if k >= 0]
        assert len(set(chosen)) == len(chosen) == min(3, max(0, q - 2))  # blocks 1 .. q - 2
        assert all(1 <= k < q - 1 for k in chosen)


def test_random_blocks_are_a_function_of_seed_layer_and_block_and_not_of_the_length() -> None:
    base = pattern().drawn(40)
    assert torch.equal(base, pattern().drawn(40)) and torch.equal(base[:25], pattern().drawn(25))
    assert not torch.equal(base, pattern(layer=2).drawn(40)) and not torch.equal(base, pattern(seed=1).drawn(40))


def test_random_blocks_are_drawn_evenly() -> None:
    drawn = [int(pattern(seed=seed, random=1).drawn(12)[11, 0]) for seed in range(900)]
    counts = torch.bincount(torch.tensor(drawn), minlength=10)[1:]  # blocks 1 to 9 are open to block 11
    assert int(counts.sum()) == 900
    assert float(((counts - 100.0) ** 2 / 100).sum()) < 26.1  # chi-square with 8 degrees of freedom, p = .001


@pytest.mark.parametrize("causal", [False, True])
def test_one_block_depends_on_the_tokens_that_it_sees_and_on_no_other(causal: bool) -> None:
    chosen = part("blocks", block=4, reach=1, globals=1, random=2)
    model = stack(attention=chosen, causal=causal, depth=1, pe="none")
    own = model.stack[0].attention.pattern
    assert own.pieces(60, causal, torch.device("cpu")) is not None
    allowed = own.allowed(60, torch.device("cpu"))
    assert allowed is not None
    for i, seen in enumerate(oracle.reached(model, 60)):
        assert seen == {j for j in range(60) if bool(allowed[i, j]) and (j <= i or not causal)}


def test_the_layers_of_a_stack_draw_different_blocks() -> None:
    model = stack(attention=part("blocks", block=2, reach=0, globals=0, random=1), depth=2)
    first, second = (block.attention.pattern for block in model.stack)
    assert isinstance(first, Blocks) and isinstance(second, Blocks)
    assert not torch.equal(first.drawn(30), second.drawn(30))
