"""The keys shared by several encodings: randomised positions, width, energy."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from stackcli.common import registry
from stackcli.model.build import build
from stackcli.pe.base import Context
from stackcli.training.evaluation import answers, place_tokens, raise_positions, raise_to_end
from tests.factory import config, padding, part, stack, tokens

ADDITIVE = ["learned", "sinusoidal", "mlp", "fourier"]


def table(name: str, **keys: Any) -> torch.Tensor:
    """Returns the table of an encoding in a float64 stack, (positions, D)."""
    model = build(config(pe=part(name, **keys), dim=16, heads=2), vocab=9, classes=3, max_len=32).double()
    return next(rows.detach().double() for _, _, rows in model.pe.tables())


@pytest.mark.parametrize("name", ADDITIVE)
def test_matched_gives_positions_the_energy_of_tokens(name: str) -> None:
    assert math.isclose(float(table(name, scale="matched").square().mean()), 0.05**2, rel_tol=1e-6)


def test_a_raw_sinusoid_has_a_mean_square_of_one_half() -> None:
    assert math.isclose(float(table("sinusoidal", scale="raw").square().mean()), 0.5, rel_tol=1e-6)


@pytest.mark.parametrize("name", ADDITIVE)
def test_a_narrow_encoding_is_projected_up_and_trained(name: str) -> None:
    model, x = stack(pe=part(name, dim=4)), tokens()
    rows = next(rows for _, _, rows in model.pe.tables())
    assert rows.shape[1] == 16 and int(torch.linalg.matrix_rank(rows.double())) <= 4
    model(x).square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in model.pe.parameters())
    assert model.pe.project.shape == (16, 4)


def test_an_encoding_wider_than_the_stack_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pe\.dim=32 is more than dim=16"):
        stack(pe=part("learned", dim=32))


@pytest.mark.parametrize("name", ["learned", "relative", "rope", "alibi", "t5"])
def test_randomised_positions_are_sorted_distinct_and_within_the_range(name: str) -> None:
    model, x = stack(pe=part(name, randomised=True, range=40)), tokens(2, 20)
    torch.manual_seed(3)
    drawn = [model.train().positions(x, None) for _ in range(3)] + [model.eval().positions(x, None)]
    for rows in drawn:
        for pos in rows:
            assert pos.diff().gt(0).all() and len(pos) == 20 and int(pos.min()) >= 0 and int(pos.max()) < 40
        assert not rows[0].equal(rows[1])
    assert not drawn[0].equal(drawn[1])
    assert model.positions(x, None).equal(drawn[3])
    assert torch.equal(model(x), model(x)) and torch.equal(model(x), model(x, pos=drawn[3]))


RANDOMISED = [
    name for name in registry.part_names("pe") if "randomised" in registry.part_keys(registry.load_part("pe", name))
]


@pytest.mark.parametrize("name", RANDOMISED)
@pytest.mark.parametrize("causal", [False, True])
def test_a_sequence_has_the_same_logits_alone_and_in_a_batch(name: str, causal: bool) -> None:
    model, x, lengths = stack(pe=part(name, randomised=True, range=64), causal=causal), tokens(4, 20), [20, 13, 5, 1]
    batch = model(x, padding(lengths, 20))
    wider = model(torch.cat([x, torch.zeros_like(x)], 1), padding(lengths, 40))
    for i, n in enumerate(lengths):
        alone = model(x[i : i + 1, :n])[0]
        assert (batch[i] - alone).abs().max() < 1e-12 and (wider[i] - alone).abs().max() < 1e-12


def test_drawn_positions_differ_between_seeds_and_are_uniform_over_the_range() -> None:
    x = torch.arange(2000).view(500, 4) + 1
    first, second = (build(config(pe=part("none"), seed=s), vocab=9, classes=2, max_len=4).eval() for s in (0, 1))
    first.reach = second.reach = 10
    rows = first.positions(x, None)
    assert not rows.equal(second.positions(x, None))
    share = torch.bincount(rows.flatten(), minlength=10) / 500  # each position is in 4 of 10 choices
    assert (share - 0.4).abs().max() < 4 * (0.4 * 0.6 / 500) ** 0.5


def test_positions_drawn_in_training_do_not_depend_on_the_padding() -> None:
    model, x = stack(pe=part("relative", randomised=True, range=64)).train(), tokens(3, 12)
    drawn = []
    for width in (12, 30):
        torch.manual_seed(5)
        wide = torch.cat([x, torch.zeros(3, width - 12, dtype=torch.long)], 1)
        drawn.append(model.positions(wide, padding([12, 7, 2], width)))
    for row, n in enumerate([12, 7, 2]):
        assert drawn[0][row, :n].equal(drawn[1][row, :n]) and len(set(drawn[0][row, :n].tolist())) == n


@pytest.mark.parametrize("name", RANDOMISED)
def test_relative_encodings_ignore_a_shift_of_drawn_positions(name: str) -> None:
    from tests.training.examples import training

    run = training(pe=part(name, randomised=True, range=64))
    plain = answers(run.model, run.test, full=False)
    assert np.array_equal(answers(run.model, run.test, full=False, change=raise_positions(0)).said, plain.said)
    raised = answers(run.model, run.test, full=False, change=raise_to_end(64))
    if registry.load_part("pe", name).relative:
        assert math.isclose(raised.loss, plain.loss, rel_tol=1e-5)
    else:
        assert not math.isclose(raised.loss, plain.loss, rel_tol=1e-5)
    ends = []
    for batch in run.test.in_order():
        moved = raise_to_end(64)(place_tokens(run.model, batch))
        assert moved.pos is not None
        last = batch.tokens.ne(0).sum(1) - 1
        ends += moved.pos.gather(1, last[:, None]).flatten().tolist()
    assert set(ends) == {63}


def test_randomised_learned_positions_have_a_row_for_the_whole_range() -> None:
    model = stack(pe=part("learned", randomised=True, range=100))
    assert model(tokens(1, 90)).isfinite().all()
    with pytest.raises(ValueError, match=r"pe\.range=101"):
        model(tokens(1, 101))


def test_a_run_with_randomised_positions_resumes_bit_for_bit() -> None:
    from tests.training.examples import finish, training

    pe = part("learned", randomised=True, range=64)
    uninterrupted, first, second = (training(pe=pe) for _ in range(3))
    losses = finish(uninterrupted)
    for _ in range(7):
        first.advance()
    second.restore(first.state())
    assert finish(second) == losses[7:]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", registry.part_names("pe"))
def test_a_bias_that_is_added_in_place_is_the_bias(name: str, causal: bool) -> None:
    pe = stack(pe=name, causal=causal).stack[0].own or stack(pe=name, causal=causal).pe
    tree = (torch.arange(9) // 2).expand(3, 9)
    draw = torch.Generator().manual_seed(0)
    q, k = (torch.randn(3, 2, 9, 8, dtype=torch.float64, generator=draw).requires_grad_() for _ in range(2))
    goal = torch.randn(3, 2, 9, 9, dtype=torch.float64, generator=draw).tril()
    for pos in (torch.arange(9), torch.arange(9) * 2):
        ctx = Context(pos, padding([9, 9, 9], 9), tree, causal)
        given = (q / 8**0.5) @ k.transpose(-1, -2)
        found = pe.add_bias(given * 1, q, k, ctx)
        if found is None:
            assert name not in ("cope", "structural") and (name != "xl" or pos[1] == 2)
            continue
        bias = pe.bias(q, k, ctx)
        assert bias is not None and float((found - given - bias).tril().detach().abs().max()) < 1e-12
        inputs = [q, k, *pe.parameters()]
        pairs = (torch.autograd.grad(y, inputs, goal, True, allow_unused=True) for y in (found, given + bias))
        for a, b in zip(*pairs, strict=True):
            assert (a is None and b is None) or float((a - b).abs().max()) < 1e-12
