"""Orthogonal matrices: W W' = gain^2 I, uniformly distributed, drawn at their addresses."""

import pytest
import torch
from torch import nn

from stackcli.common.seeding import torch_at
from stackcli.init.orthogonal import Orthogonal
from stackcli.model.build import build
from tests.factory import config, part, stack


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("rows,columns", [(8, 8), (3, 8), (20, 8), (1, 5)])
def test_the_shorter_side_is_orthogonal_with_the_gain_as_its_length(rows: int, columns: int, gain: float) -> None:
    w = torch.empty(rows, columns, dtype=torch.float64)
    Orthogonal(depth=1, dim=8, branches=2, gain=gain).weight(w, "q")
    square = w @ w.T if rows <= columns else w.T @ w
    assert (square - gain**2 * torch.eye(min(rows, columns), dtype=torch.float64)).abs().max() < 1e-12


def test_every_map_of_the_stack_is_orthogonal_with_q_k_and_v_as_separate_maps() -> None:
    model = stack(init=part("orthogonal", gain=2.0), dim=16, ff=4.0)
    for layer, role, weight, bias in model.maps():
        values = torch.linalg.svdvals(weight.detach())
        assert len(values) == min(weight.shape) and (values - 2.0).abs().max() < 1e-5, (layer, role)
        assert not bias.any()
    q, k, v = model.stack[0].attention.qkv.weight.detach().chunk(3)
    assert (q - k).abs().max() > 0.1 and (k - v).abs().max() > 0.1
    assert (q @ k.T).abs().max() > 0.1  # a single map of three times the width would not be orthogonal in each part


def test_each_tensor_equals_torchs_draw_at_the_same_address() -> None:
    for layer, role, weight, _ in stack(init="orthogonal", seed=4).maps():
        with torch_at(4, layer, role):
            theirs = nn.init.orthogonal_(torch.empty(weight.shape))
        assert torch.equal(weight, theirs.double()), (layer, role)


def test_orthogonal_matrices_are_drawn_uniformly() -> None:
    init = Orthogonal(depth=1, dim=2, branches=2)
    torch.manual_seed(0)
    drawn = torch.empty(4000, 2, 2, dtype=torch.float64)
    for w in drawn:
        init.weight(w, "q")
    angles = torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0]) / torch.pi  # -1 .. 1
    assert (torch.histc(angles, 8, -1, 1) / 4000 - 1 / 8).abs().max() < 5 * (0.125 * 0.875 / 4000) ** 0.5
    assert abs(float((torch.linalg.det(drawn) > 0).double().mean()) - 0.5) < 5 * 0.5 / 4000**0.5


def test_token_vectors_have_the_given_standard_deviation() -> None:
    table = build(config(init="orthogonal", embed_std=0.3), vocab=4000, classes=2, max_len=4).embedding.weight.detach()
    assert abs(float(table.std()) / 0.3 - 1) < 0.01
