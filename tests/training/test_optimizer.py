"""AdamW: which parameters decay, and how the learning rate rises and falls."""

import math

import pytest
import torch

from stackcli.common import registry
from stackcli.pe.learned import Learned
from stackcli.training.optimizer import learning_rate, optimizer, planned_steps
from tests.factory import config, stack, tokens
from tests.training.examples import finish, training


def test_the_learning_rate_rises_then_falls_as_a_cosine_or_stays_constant() -> None:
    c = config(lr=1.0, warmup=0.1, schedule="cosine")
    assert [learning_rate(c, s, 100) for s in (0, 4, 9)] == [0.1, 0.5, 1.0]
    assert learning_rate(c, 10, 100) == 1.0
    assert math.isclose(learning_rate(c, 55, 100), 0.5) and learning_rate(c, 100, 100) == 0.0
    flat = config(lr=1.0, warmup=0.0, schedule="constant")
    assert {learning_rate(flat, s, 100) for s in range(100)} == {1.0}


def test_weight_decay_acts_on_matrices_alone() -> None:
    model = stack()
    adam = optimizer(model, config(weight_decay=0.3))
    decayed, free = adam.members
    assert [group["weight_decay"] for group in adam.param_groups] == [0.3, 0.0]
    assert all(p.dim() >= 2 for p in decayed)
    table = {name: p for name, p in model.named_parameters() if p.dim() > 1 and any(p is q for q in free)}
    assert list(table) == ["pe.table"]  # of learned positions
    assert len(decayed) + len(free) == len(list(model.parameters()))


@pytest.mark.parametrize("limit", [0.0, 0.01, 1e6])
def test_flat_steps_equal_those_of_pytorchs_adamw_on_every_tensor(limit: float) -> None:
    ours, theirs = (stack(dropout=0.0).double().train() for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    adam = optimizer(ours, config(lr=0.01, weight_decay=0.3))
    names = {id(p): name for name, p in ours.named_parameters()}
    groups = [[names[id(p)] for p in members] for members in adam.members]
    by_name = dict(theirs.named_parameters())
    other = torch.optim.AdamW(
        [{"params": [by_name[n] for n in g], "weight_decay": d} for g, d in zip(groups, (0.3, 0.0), strict=True)],
        lr=0.01,
    )
    for turn in range(5):
        goal = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(turn))
        for model, step in ((ours, adam), (theirs, other)):
            step.zero_grad()
            (model(tokens()) - goal).square().sum().backward()
            if limit and model is ours:
                adam.clip_gradients(limit)
            elif limit:
                torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
            step.step()
    for name, p in ours.named_parameters():
        assert (p - by_name[name]).abs().max() < 1e-9, name  # the gradient of a key's bias is rounding noise


def test_parameters_are_views_of_the_flat_tensors_after_loading_and_steps() -> None:
    model = stack().train()
    adam = optimizer(model, config())
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    model(tokens()).sum().backward()
    adam.step()
    for flat, members in zip(adam.flat, adam.members, strict=True):
        assert torch.equal(flat, torch.cat([p.flatten() for p in members]))
        assert all(p.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr() for p in members)


def test_a_gradient_that_is_not_a_number_is_not_hidden_by_clipping() -> None:
    model = stack().train()
    adam = optimizer(model, config())
    (model(tokens()).sum() * math.nan).backward()
    adam.clip_gradients(1.0)
    adam.step()
    assert all(bool(flat.isnan().all()) for flat in adam.flat)


MATRICES = {"xl": {"project"}, "mlp": {"inner", "outer"}, "fourier": {"inner.weight", "outer.weight"}}
MATRICES |= {"fire": {"inner.weight", "outer.weight"}, "conv": {"weight"}}


@pytest.mark.parametrize("name", registry.part_names("pe"))
def test_weight_decay_acts_on_the_linear_maps_of_an_encoding_and_not_on_its_vectors(name: str) -> None:
    model = stack(pe=name)
    decayed = {id(p) for p in optimizer(model, config(weight_decay=0.3)).members[0]}
    own = [(n, p) for pe in (model.pe, *(b.own for b in model.stack if b.own)) for n, p in pe.named_parameters()]
    assert {n for n, p in own if id(p) in decayed} == MATRICES.get(name, set())


def test_position_vectors_that_training_never_reaches_keep_their_initial_values() -> None:
    run = training(pe="learned", weight_decay=1.0, lr=0.01)
    pe = run.model.pe
    assert isinstance(pe, Learned)
    pe.table = torch.nn.Parameter(torch.randn(20, pe.table.shape[1]))
    run.optimizer = optimizer(run.model, run.config)
    before = pe.table.detach().clone()
    finish(run)
    moved = (pe.table.detach() - before).abs().amax(1)
    assert (moved[8:] == 0).all() and (moved[:8] > 0).all()  # the longest text has 8 tokens


def test_the_last_batch_of_an_epoch_may_be_smaller_and_given_steps_take_precedence_over_epochs() -> None:
    c = config(epochs=3, batch=8, steps=0)
    assert [planned_steps(c, n) for n in (1, 8, 80, 81)] == [3, 3, 30, 33]
    assert planned_steps(config(epochs=3, batch=8, steps=7), 80) == 7


def test_frozen_parameters_are_left_out_and_parameters_beside_the_model_are_included() -> None:
    model, reader = stack(), torch.nn.Linear(4, 1)
    model.embedding.weight.requires_grad_(False)
    decayed, free = optimizer(model, config(weight_decay=0.3), list(reader.parameters())).members
    assert not any(p is model.embedding.weight for p in (*decayed, *free))
    assert any(p is reader.weight for p in decayed) and any(p is reader.bias for p in free)
