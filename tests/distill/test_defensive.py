"""Defensive distillation: a teacher at a temperature, and a stack that learns its probabilities."""

import io
import math

import pytest
import torch
import torch.nn.functional as F

from stackcli.distill.defensive import DefensiveDistillation
from stackcli.training.loop import Training
from stackcli.training.run_result import weights_hash
from tests.factory import part
from tests.training.examples import finish, task, training


def distilled(temperature: float = 5.0, **changes: object) -> Training:
    return training(distill=part("defensive", temperature=temperature), dropout=0.2, **changes)


def test_targets_are_the_probabilities_of_the_divided_logits() -> None:
    logits = torch.tensor([[2.0, 0.0, -2.0]], dtype=torch.float64)
    weights = [math.exp(x / 4) for x in (2, 0, -2)]
    found = DefensiveDistillation(temperature=4.0).targets(logits)
    assert found[0].tolist() == pytest.approx([w / sum(weights) for w in weights], rel=1e-12)


def test_the_teacher_is_trained_first_from_the_same_weights_and_the_stack_then_on_its_answers() -> None:
    run = distilled()
    start = weights_hash(run.model)
    assert run.teacher is not None and weights_hash(run.teacher.model) == start and run.step == 0
    teacher, steps = run.teacher, run.steps
    for i in range(steps):
        assert run.progress == (i, 2 * steps)
        run.advance()
    assert run.teacher is None and weights_hash(run.model) == start and len(run.curve) == 1
    best = min(teacher.criteria)  # at the temperature: at 1 a stack that is trained at 5 is too sure of itself
    batch = teacher.val.cut(teacher.val.shortest_first)
    with torch.no_grad():
        logits = teacher.model.eval()(batch.tokens, batch.mask)
    assert float(F.cross_entropy(logits / 5, batch.labels)) == pytest.approx(best, rel=1e-5) and len(batch.labels) == 20
    assert run.taught is not None and run.taught.shape == (80, 3)
    batch = teacher.train.cut(teacher.train.shortest_first[:7])
    with torch.no_grad():
        expected = (teacher.model.eval()(batch.tokens, batch.mask) / 5).softmax(-1)
    torch.testing.assert_close(run.taught[torch.from_numpy(teacher.train.shortest_first[:7].copy())], expected)
    finish(run)
    assert run.progress == (2 * steps, 2 * steps) and run.step == steps == run.result().step_end
    assert [row.step for row in run.curve] == [0, 10, 20, 30]


def test_the_chosen_weights_are_those_of_the_lowest_validation_loss_at_the_temperature() -> None:
    run = distilled(epochs=6)
    finish(run)
    chosen = next(row for row in run.curve if row.step == run.result().step_best)
    assert run.criteria.index(min(run.criteria)) == run.curve.index(chosen) and len(run.criteria) == len(run.curve)
    batch = run.val.cut(run.val.shortest_first)
    run.model.load_state_dict(run.best or {})
    with torch.no_grad():
        logits = run.model.eval()(batch.tokens, batch.mask)
    assert float(F.cross_entropy(logits / 5, batch.labels)) == pytest.approx(min(run.criteria), rel=1e-5)
    assert float(F.cross_entropy(logits, batch.labels)) == pytest.approx(chosen.val_loss, rel=1e-5)


def test_a_step_of_the_stack_is_on_the_cross_entropy_with_the_probabilities_at_the_temperature() -> None:
    run = training(distill=part("defensive", temperature=5.0), dropout=0.0, label_smoothing=0.0)
    for _ in range(run.steps):
        run.advance()
    batch = run._batch(0)
    with torch.no_grad():
        logs = (run.model.train()(batch.tokens, batch.mask).double() / 5).log_softmax(-1)
    run.advance()
    assert run.loss == pytest.approx(-float((batch.labels * logs).sum(1).mean()), rel=1e-6)


def test_a_certain_teacher_at_temperature_1_is_training_on_the_labels() -> None:
    plain, run = training(dropout=0.2), distilled(1.0)
    run.teacher, run.taught = None, F.one_hot(run.train.labels, 3).float()
    a, b = ([float.fromhex(x) for x in finish(one)] for one in (plain, run))
    assert len(a) == 30 and a == pytest.approx(b, rel=1e-4)


# the last step of the teacher, the change of phase, and a step of the stack; the others are inside a phase
@pytest.mark.parametrize("at", [29, 30, 47, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 10, 31))])
def test_a_run_restored_in_either_phase_continues_bit_for_bit(at: int) -> None:
    whole = distilled()
    finish(whole)
    first = distilled()
    for _ in range(at):
        first.advance()
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    torch.manual_seed(999)
    second = distilled()
    second.restore(torch.load(buffer, weights_only=True))
    assert second.progress == (at, 60) and second.state()["step"] == at
    finish(second)
    assert weights_hash(second.model) == weights_hash(whole.model)
    assert second.result() == whole.result() and second.layers == whole.layers


def test_a_teacher_that_diverges_makes_the_run_diverge() -> None:
    run = training(distill=part("defensive", temperature=1.0), lr=1e12, clip=0.0, norm="none", warmup=0.0)
    finish(run)
    assert run.diverged_step is not None and run.teacher is not None and run.result().status == "diverged"


def test_data_with_an_answer_at_every_token_are_refused() -> None:
    with pytest.raises(ValueError, match="data with one answer for each sequence, and data="):
        task("markov", {"train_len": 8, "longest": 1}, causal=True, distill=part("defensive", temperature=2.0))
