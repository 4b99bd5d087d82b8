"""GPT-2: N(0, 0.02), divided by the root of the number of residual layers for the last map of a branch."""

import math

import pytest
import torch
from torch import nn

from stackcli.common.seeding import torch_at
from stackcli.model.build import build
from tests.factory import config, part, stack


@pytest.mark.parametrize("depth,ff,branches", [(3, 4.0, 6), (3, 0.0, 3), (8, 1.0, 16)])
def test_the_last_map_of_a_branch_is_divided_by_the_root_of_the_number_of_branches(
    depth: int, ff: float, branches: int
) -> None:
    for layer, role, weight, bias in stack(init="gpt2", dim=128, heads=4, ff=ff, depth=depth).maps():
        expected = 0.02 / math.sqrt(branches) if role in ("o", "ff2") else 0.02
        if role != "head":
            assert abs(float(weight.detach().std()) / expected - 1) < 0.03, (layer, role)
        assert not bias.any()


def test_each_tensor_equals_torchs_normal_draw_at_the_same_address() -> None:
    for layer, role, weight, _ in stack(init=part("gpt2", std=0.5), seed=4, depth=8).maps():
        with torch_at(4, layer, role):
            theirs = nn.init.normal_(torch.empty(weight.shape), std=0.125 if role in ("o", "ff2") else 0.5)
        assert (weight - theirs).abs().max() < 1e-7, (layer, role)


@pytest.mark.parametrize("std", [0.02, 0.3])
def test_token_vectors_have_the_std_of_the_init_and_matched_positions_have_it_too(std: float) -> None:
    c = config(init=part("gpt2", std=std), embed_std=9.0, pe=part("sinusoidal", scale="matched"))
    model = build(c, vocab=4000, classes=2, max_len=64)
    assert abs(float(model.embedding.weight.detach().std()) / std - 1) < 0.01
    rows = next(rows for _, _, rows in model.pe.tables())
    assert abs(float(rows.square().mean().sqrt()) / std - 1) < 1e-5
