"""Training steps with adversarial passes: the same dropout in all of them, auxiliary losses once, exact resuming."""

import io
import math
from typing import Any

import pytest
import torch

from stackcli.common.seeding import address
from stackcli.model.batch import Batch
from stackcli.training.adversarial_step import add_gradients, build_adversarial
from stackcli.training.loop import Training
from stackcli.training.run_result import weights_hash
from tests.factory import config, padding, part, stack, tokens
from tests.training.examples import finish, task, training

FGM = part("fgm", eps=0.3, norm="l2")
PGD = part("pgd", eps=0.3, norm="linf", steps=2, step=0.5)
FREELB = part("freelb", eps=0.3, norm="l2", steps=3, step=0.5, start=1.0)
TINY = part("freelb", eps=1e-7, norm="l2", steps=3, step=0.5, start=0.0)  # as good as no perturbation


def gradients(run: Training) -> torch.Tensor:
    """The gradients of the first step, which is not taken."""
    run._update = lambda step: None  # type: ignore[method-assign]
    run.advance()
    return torch.cat([p.grad.flatten() for p in run.model.parameters() if p.grad is not None])


# FreeLB has several passes as PGD has, and a step in the direction of the gradient as FGM has
SOME = [pytest.param(FGM, marks=pytest.mark.slow), pytest.param(PGD, marks=pytest.mark.slow), FREELB]


@pytest.mark.parametrize("chosen", SOME, ids=lambda p: p.name)
@pytest.mark.parametrize("at", [1, 13])
def test_a_training_restored_at_any_step_continues_bit_for_bit(chosen: Any, at: int) -> None:
    def make() -> Training:
        return training(adversarial=chosen, dropout=0.2)

    whole = make()
    losses = finish(whole)
    first = make()
    for _ in range(at):
        first.advance()
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    torch.manual_seed(999)
    second = make()
    second.restore(torch.load(buffer, weights_only=True))
    assert finish(second) == losses[at:] and second.result() == whole.result()


@pytest.mark.parametrize("more", [{}, {"pe": part("learned", loss="smooth", loss_weight=5.0, pretrain=0)}])
def test_all_passes_have_the_same_dropout_and_an_auxiliary_loss_counts_once(more: dict[str, Any]) -> None:
    plain, free = (training(dropout=0.3, **more, **{"adversarial": p}) for p in (part("none"), TINY))
    a, b = gradients(plain), gradients(free)
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    assert math.isclose(plain.loss, free.loss, rel_tol=1e-5)


def test_padding_and_the_position_encoding_are_not_perturbed() -> None:
    model, seen, mask = stack(pe="sinusoidal"), list[torch.Tensor](), padding([5, 2, 4], 5)
    batch = Batch(tokens(3, 5).masked_fill(~mask, 0), torch.tensor([0, 1, 2]), mask)
    fgm = build_adversarial(config(adversarial=FGM))

    def loss(batch: Batch) -> torch.Tensor:
        assert batch.added is not None
        x, _ = model.enter(batch.tokens, batch.mask, None, None, batch.added)
        clean, _ = model.enter(batch.tokens, batch.mask, None, None)
        torch.testing.assert_close(x - clean, batch.added)
        seen.append(batch.added.detach())
        return model(batch.tokens, batch.mask, added=batch.added).square().sum()  # type: ignore[no-any-return]

    add_gradients(fgm, model, batch, loss)
    assert not seen[1][~mask].any() and seen[1][mask].abs().amax(-1).gt(0).all()


def test_padding_that_the_stack_sees_is_not_perturbed() -> None:
    model, seen = stack(), list[torch.Tensor]()
    batch = Batch(tokens(2, 5).masked_fill(~padding([5, 2], 5), 0), torch.tensor([0, 1]), None)

    def loss(batch: Batch) -> torch.Tensor:
        assert batch.added is not None
        seen.append(batch.added.detach())
        return model(batch.tokens, added=batch.added).square().sum()  # type: ignore[no-any-return]

    add_gradients(build_adversarial(config(adversarial=FGM)), model, batch, loss)
    assert not seen[1][1, 2:].any() and seen[1][1, :2].any()


def test_random_starts_depend_on_seed_and_step() -> None:
    model, batch = stack(), Batch(tokens(2, 5), torch.tensor([0, 1]), None)
    pgd = build_adversarial(config(adversarial=PGD))

    def first(**names: int) -> torch.Tensor:
        seen = list[torch.Tensor]()

        def loss(batch: Batch) -> torch.Tensor:
            assert batch.added is not None
            seen.append(batch.added.detach().clone())
            return model(batch.tokens, added=batch.added).square().sum()  # type: ignore[no-any-return]

        add_gradients(pgd, model, batch, loss, address(names["seed"], "adversarial", names["step"]))
        return seen[0]

    torch.manual_seed(1)
    start = first(seed=3, step=4)
    torch.manual_seed(2)
    assert torch.equal(start, first(seed=3, step=4))
    assert not torch.equal(start, first(seed=3, step=5)) and not torch.equal(start, first(seed=4, step=4))


@pytest.mark.parametrize("chosen", [FGM, PGD, FREELB], ids=lambda p: p.name)
def test_a_loss_that_is_not_finite_in_any_pass_ends_the_run_as_diverged(chosen: Any) -> None:
    run = training(adversarial=chosen)
    before, calls = weights_hash(run.model), list[int]()
    forward = run.model.forward

    def fail(*inputs: Any, **more: Any) -> torch.Tensor:
        calls.append(1)
        found = forward(*inputs, **more)
        return found * math.inf if len(calls) == 1 else found

    run.model.forward = fail  # type: ignore[method-assign]
    run.advance()
    assert run.diverged_step == 0 and run.finished and weights_hash(run.model) == before


@pytest.mark.parametrize("more", [{"precision": "bf16"}, {"clip": 0.0}, {"norm": "batch"}, {"layer_drop": 0.2}])
@pytest.mark.parametrize("chosen", SOME, ids=lambda p: p.name)
def test_they_go_with_the_other_settings_of_training(chosen: Any, more: dict[str, Any]) -> None:
    losses = [float.fromhex(x) for x in finish(training(adversarial=chosen, epochs=2, **more))]
    assert len(losses) == 20 and all(map(math.isfinite, losses)) and losses[-1] < losses[0]


def test_they_go_with_answers_at_every_token() -> None:
    run = task("markov", {"train_len": 8, "longest": 1}, causal=True, epochs=2, adversarial=FGM)
    assert all(math.isfinite(float.fromhex(x)) for x in finish(run))


def test_training_on_perturbations_lowers_the_loss_at_perturbations() -> None:
    def attacked(chosen: Any) -> float:
        run = training(adversarial=chosen, epochs=15, lr=0.003)
        finish(run)
        batch, losses = run.val.cut(run.val.shortest_first), list[float]()

        def loss(batch: Batch) -> torch.Tensor:
            logits = run.model.eval()(batch.tokens, batch.mask, added=batch.added)
            losses.append(float((found := torch.nn.functional.cross_entropy(logits, batch.labels)).detach()))
            return found

        add_gradients(build_adversarial(config(adversarial=PGD)), run.model, batch, loss)
        return losses[-1]

    assert attacked(part("fgm", eps=0.3, norm="linf")) < attacked(part("none"))
