"""AdamW: which parameters decay, and how the learning rate rises and falls."""

import math

import pytest
import torch

from stackcli.common import registry
from stackcli.pe.learned import Learned
from stackcli.training.optimizer import learning_rate, optimizer, planned_steps
from tests.factory import config, stack
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
    decayed, free = optimizer(model, config(weight_decay=0.3)).param_groups
    assert decayed["weight_decay"] == 0.3 and all(p.dim() >= 2 for p in decayed["params"])
    assert free["weight_decay"] == 0.0
    table = {name: p for name, p in model.named_parameters() if p.dim() > 1 and any(p is q for q in free["params"])}
    assert list(table) == ["pe.table"]  # of learned positions
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


MATRICES = {"xl": {"project"}, "mlp": {"inner", "outer"}, "fourier": {"inner.weight", "outer.weight"}}
MATRICES |= {"fire": {"inner.weight", "outer.weight"}, "conv": {"weight"}}


@pytest.mark.parametrize("name", registry.part_names("pe"))
def test_weight_decay_acts_on_the_linear_maps_of_an_encoding_and_not_on_its_vectors(name: str) -> None:
    model = stack(pe=name)
    decayed = {id(p) for p in optimizer(model, config(weight_decay=0.3)).param_groups[0]["params"]}
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
    decayed, free = optimizer(model, config(weight_decay=0.3), list(reader.parameters())).param_groups
    assert not any(p is model.embedding.weight for group in (decayed, free) for p in group["params"])
    assert any(p is reader.weight for p in decayed["params"]) and any(p is reader.bias for p in free["params"])
