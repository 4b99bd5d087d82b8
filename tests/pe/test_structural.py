"""Wang et al. 2019: depths and paths of random trees against walks to the root."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.structural import Structural, depths, paths
from tests.factory import part, stack, tokens


def trees(batch: int = 4, length: int = 9) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    out = torch.zeros(batch, length, dtype=torch.long)
    for b in range(batch):
        names = torch.randperm(length, generator=draw).tolist()  # a parent may be anywhere in the text
        out[b, names[0]] = names[0]
        for n in range(1, length):
            out[b, names[n]] = names[int(torch.randint(0, n, (1,), generator=draw))]
    return out


def way_up(tree: list[int], at: int) -> list[int]:
    """Returns the tokens from this one up to its root, both included."""
    out = [at]
    while tree[out[-1]] != out[-1]:
        out.append(tree[out[-1]])
    return out


def test_depth_is_the_number_of_steps_to_the_root() -> None:
    tree = trees()
    assert depths(tree).tolist() == [[len(way_up(row, t)) - 1 for t in range(9)] for row in tree.tolist()]
    assert int(depths(tree).max()) >= 3


def test_a_path_is_that_of_the_paper() -> None:
    tree = trees()
    found = paths(tree)
    for b, row in enumerate(tree.tolist()):
        for i in range(9):
            for j in range(9):
                di, dj = len(way_up(row, i)) - 1, len(way_up(row, j)) - 1
                same = i in way_up(row, j) or j in way_up(row, i)
                expected = di - dj if same else (di + dj) * (1 if i > j else -1)
                assert int(found[b, i, j]) == expected


def test_absolute_adds_the_papers_function_of_position_and_depth() -> None:
    torch.manual_seed(0)
    pe, tree = Structural(dim=6, heads=2, max_len=9, form="absolute", base=50.0, scale=0.5).double(), trees()
    pos, x = torch.arange(9) + 3, torch.zeros(4, 9, 6, dtype=torch.float64)
    out = pe.embed(x, Context(pos, tree=tree))

    def sinusoid(n: int) -> list[float]:
        angles = [n / 50.0 ** (2 * (d // 2) / 6) for d in range(6)]
        return [math.cos(a) if d % 2 else math.sin(a) for d, a in enumerate(angles)]

    assert pe.of_text is not None and pe.of_tree is not None
    for b in range(4):
        for t in range(9):
            text, deep = sinusoid(t + 3), sinusoid(int(depths(tree)[b, t]))
            for d in range(6):
                both = zip(pe.of_text[d].tolist(), text, pe.of_tree[d].tolist(), deep, strict=True)
                expected = 0.5 * math.tanh(sum(u * s + v * r for u, s, v, r in both))
                assert abs(float(out[b, t, d].detach()) - expected) < 1e-12


def test_relative_adds_a_vector_of_the_clipped_path_to_keys_and_values() -> None:
    torch.manual_seed(0)
    pe, tree = Structural(dim=8, heads=2, max_len=9, clip=2).double(), trees(2)
    q, k = torch.randn(2, 2, 2, 9, 4, dtype=torch.float64)
    ctx = Context(torch.arange(9), tree=tree)
    bias, weights = pe.bias(q, k, ctx), torch.randn(2, 2, 9, 9, dtype=torch.float64).softmax(-1)
    mixed, row = pe.mix(weights, ctx), paths(tree).clamp(-2, 2) + 2
    assert bias is not None and mixed is not None and pe.key is not None and pe.value is not None
    for b in range(2):
        for h in range(2):
            for i in range(9):
                expected = sum(weights[b, h, i, j] * pe.value[row[b, i, j]] for j in range(9))
                assert float((mixed[b, h, i] - expected).detach().abs().max()) < 1e-12
                for j in range(9):
                    assert abs(float(q[b, h, i] @ pe.key[row[b, i, j]]) / 2 - float(bias[b, h, i, j])) < 1e-12


@pytest.mark.parametrize("form", ["absolute", "relative"])
def test_the_tree_matters_and_a_shift_matters_for_absolute_only(form: str) -> None:
    model, x, tree = stack(pe=part("structural", form=form)), tokens(4), trees()
    moved = model(x, tree=tree) - model(x, pos=torch.arange(9) + 20, tree=tree)
    assert (float(moved.detach().abs().max()) == 0) == (form == "relative")
    assert float((model(x, tree=tree) - model(x, tree=tree.roll(1, 0))).detach().abs().max()) > 1e-6
    with pytest.raises(ValueError, match="needs data that carry a tree"):
        model(x)
