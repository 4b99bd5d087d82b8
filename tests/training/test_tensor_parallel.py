"""Heads and feed-forward units in several processes."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.training.processes import Processes
from stackcli.training.tensor_parallel import by_process, by_role, keep_own_heads
from tests.factory import stack
from tests.training.pairs import MODES, pair


class Second(Processes):
    rank, size = 1, 2


def test_rows_of_the_joined_map_are_ordered_by_process_and_back() -> None:
    names = ["q0", "q1", "k0", "k1", "v0", "v1"]  # a row for each head
    rows = torch.arange(6)[:, None].expand(6, 3)
    assert [names[i] for i in by_process(rows, 2)[:, 0]] == ["q0", "k0", "v0", "q1", "k1", "v1"]
    assert torch.equal(by_role(by_process(rows, 2), 2), rows)
    assert torch.equal(by_role(by_process(rows[:, 0], 2), 2), rows[:, 0])  # a bias has one dimension


def test_an_encoding_gives_the_biases_of_the_heads_of_its_process() -> None:
    pe = stack(pe="alibi", heads=2).pe
    q, ctx = torch.randn(1, 2, 4, 8).double(), Context(torch.arange(4))
    every = pe.bias(q, q, ctx)
    assert every is not None
    keep_own_heads(pe, Second())
    found = pe.bias(q[:, 1:], q[:, 1:], ctx)
    assert found is not None and torch.equal(found, every[..., 1:, :, :])
    whole = pe.bias(q, q, ctx)
    assert whole is not None and torch.equal(whole, every)


@pytest.mark.parametrize("mode", MODES)
def test_clipped_gradients_have_the_joint_norm_asked_for(mode: str) -> None:
    assert math.isclose(pair()[0]["clipped"][mode], 0.01, rel_tol=1e-4)
