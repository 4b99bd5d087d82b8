"""The keys that encodings have in common: randomised positions, width, energy."""

import math
from typing import Any

import pytest
import torch

from stackcli.model import build
from tests.factory import config, part, stack, tokens

ADDITIVE = ["learned", "sinusoidal", "mlp", "fourier"]


def made(name: str, **keys: Any) -> torch.Tensor:
    """The table of a float64 stack's encoding, (positions, D)."""
    model = build(config(pe=part(name, **keys), dim=16, heads=2), vocab=9, classes=3, max_len=32).double()
    return next(rows.detach().double() for _, _, rows in model.pe.tables())


@pytest.mark.parametrize("name", ADDITIVE)
def test_matched_gives_positions_the_energy_of_tokens(name: str) -> None:
    assert math.isclose(float(made(name, scale="matched").square().mean()), 0.05**2, rel_tol=1e-6)


def test_a_raw_sinusoid_holds_nearly_all_of_the_energy() -> None:
    assert math.isclose(float(made("sinusoidal", scale="raw").square().mean()), 0.5, rel_tol=1e-6)


@pytest.mark.parametrize("name", ADDITIVE)
def test_a_narrow_encoding_is_projected_up_and_trained(name: str) -> None:
    model, x = stack(pe=part(name, dim=4)), tokens()
    rows = next(rows for _, _, rows in model.pe.tables())
    assert rows.shape[1] == 16 and int(torch.linalg.matrix_rank(rows.double())) <= 4
    model(x).square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in model.pe.parameters())
    assert model.pe.project.shape == (16, 4)


def test_wider_than_the_stack_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pe\.dim=32 is more than dim=16"):
        stack(pe=part("learned", dim=32))


@pytest.mark.parametrize("name", ["learned", "relative", "rope", "alibi", "t5"])
def test_randomised_positions_are_sorted_distinct_and_within_the_range(name: str) -> None:
    model, x = stack(pe=part(name, randomised=True, range=40)), tokens(2, 20)
    torch.manual_seed(3)
    drawn = [model.train().positions(20, x.device) for _ in range(3)]
    for pos in drawn:
        assert pos.equal(pos.unique()) and len(pos) == 20 and int(pos.min()) >= 0 and int(pos.max()) < 40
    assert not drawn[0].equal(drawn[1])
    model.eval()
    assert model.positions(20, x.device).equal(model.positions(20, x.device))
    assert torch.equal(model(x), model(x)) and torch.equal(model(x), model(x, pos=model.positions(20, x.device)))


def test_randomised_learned_positions_reach_as_far_as_the_range() -> None:
    model = stack(pe=part("learned", randomised=True, range=100))
    assert model(tokens(1, 90)).isfinite().all()
    with pytest.raises(ValueError, match=r"pe\.range=101"):
        model(tokens(1, 101))


def test_a_run_with_randomised_positions_resumes_bit_for_bit() -> None:
    from tests.test_train import finish, training

    pe = part("learned", randomised=True, range=64)
    whole, first, second = (training(pe=pe) for _ in range(3))
    losses = finish(whole)
    for _ in range(7):
        first.advance()
    second.restore(first.state())
    assert finish(second) == losses[7:]
