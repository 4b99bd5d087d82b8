"""The training loop: reproducible randomness, exact resuming, and the numbers of a result."""

import io
import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from stackcli.model.stack import StackedAttention
from stackcli.training import evaluation
from stackcli.training.batching import Padded
from stackcli.training.evaluation import Answers
from stackcli.training.run_result import weights_hash
from tests.factory import part
from tests.training.examples import finish, task, training


def test_two_trainings_are_equal_bit_for_bit() -> None:
    one, two = training(), training()
    assert finish(one) == finish(two)
    assert weights_hash(one.model) == weights_hash(two.model) and one.curve == two.curve and one.layers == two.layers


@pytest.mark.parametrize("at", [1, 7, 10, 23, 29])
def test_a_training_restored_at_any_step_continues_bit_for_bit(at: int) -> None:
    whole = training()
    losses = finish(whole)
    first = training()
    for _ in range(at):
        first.advance()
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    torch.manual_seed(999)  # whatever the global generator did meanwhile
    second = training()
    second.restore(torch.load(buffer, weights_only=True))
    assert finish(second) == losses[at:]
    assert weights_hash(second.model) == weights_hash(whole.model)
    assert second.result() == whole.result() and second.layers == whole.layers


def test_recording_and_evaluating_do_not_change_the_weights() -> None:
    plain, recorded, patient = training(probes=False), training(probes=True), training(patience=100)
    for run in (plain, recorded, patient):
        finish(run)
    assert plain.layers == [] and len(recorded.layers) > 0
    assert weights_hash(plain.model) == weights_hash(recorded.model) == weights_hash(patient.model)


def test_a_result_without_test_never_reads_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    run, read = task("markov", {"train_len": 8, "longest": 4}, causal=True, epochs=1), list[Padded]()

    def watched(model: StackedAttention, part: Padded, **more: Any) -> Answers:
        read.append(part)
        return evaluation.answers(model, part, **more)

    monkeypatch.setattr("stackcli.training.loop.answers", watched)
    finish(run)
    blind = run.result(test=False)
    assert read and all(any(part is known for known in (run.val, run.train_subset)) for part in read)
    seen = run.result()
    assert any(part is run.test for part in read)
    tested = {f.name for f in fields(seen) if getattr(blind, f.name) != getattr(seen, f.name)}
    named = {f.name for f in fields(seen) if f.name.startswith("test_") and getattr(seen, f.name) not in (None, "")}
    assert tested == named | {"macro_f1", "acc_by_class", "confusion", "by_length"}


def test_a_run_whose_loss_is_not_finite_is_recorded_as_diverged_at_that_step() -> None:
    run = training(lr=1e11, clip=0.0, warmup=0.0, residual="none")
    finish(run)
    result = run.result()
    assert result.status == "diverged" and result.diverged_step is not None
    assert result.test_acc is None and result.gap_end is None
    assert all(math.isfinite(row.val_loss) for row in run.curve)


def test_patience_counts_evaluations() -> None:
    run = training(patience=2, epochs=60, lr=0.03)
    finish(run)
    losses = [row.val_loss for row in run.curve]
    best = losses.index(min(losses))
    assert run.stopped_early and len(losses) == best + 3


def test_steps_may_be_given_instead_of_epochs() -> None:
    run = training(steps=13)
    finish(run)
    assert run.step == 13 and run.curve[-1].step == 13


def test_gaps_are_validation_minus_train_at_the_end_and_at_the_best() -> None:
    run = training()
    finish(run)
    r, end = run.result(), run.curve[-1]
    best = min(run.curve, key=lambda row: row.val_loss)
    assert r.gap_end == end.val_loss - end.train_loss and r.gap_best == best.val_loss - best.train_loss
    assert r.acc_gap_end == end.train_acc - end.val_acc and r.step_best == best.step
    assert len(run.train_subset) == len(run.val)


def test_label_smoothing_does_not_change_the_recorded_losses() -> None:
    run = training(label_smoothing=0.5, lr=1e-12, weight_decay=0.0)
    plain = training(label_smoothing=0.0, lr=1e-12, weight_decay=0.0)
    finish(run), finish(plain)
    assert run.loss != plain.loss
    assert math.isclose(run.curve[0].val_loss, plain.curve[0].val_loss, rel_tol=1e-6)


def test_the_first_losses_are_those_of_the_current_numerics_version() -> None:
    from stackcli.experiment.identity import NUMERICS_VERSION

    run, losses = training(dropout=0.1), []
    for _ in range(5):
        run.advance()
        losses.append(run.loss)
    golden = [1.23007, 1.25857, 1.04663, 1.19604, 1.30228]
    assert NUMERICS_VERSION == 4 and np.allclose(losses, golden, atol=1e-4), losses


@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_learning_rate_of_a_billion_diverges_and_the_curve_stays_finite(residual: str, clip: float) -> None:
    run = training(lr=1e9, residual=residual, clip=clip)
    losses = finish(run)
    result = run.result()
    assert result.status == "diverged" and result.diverged_step == len(losses) - 1
    assert result.test_loss is None and all(math.isfinite(row.train_loss) for row in run.curve)


def test_label_smoothing_follows_its_formula_in_training_and_is_absent_from_evaluation() -> None:
    run = training(label_smoothing=0.3, dropout=0.0)
    batch = run._batch(0)
    logp = run.model.train()(batch.tokens, batch.mask).log_softmax(-1)
    own = logp[torch.arange(len(batch.labels)), batch.labels]
    expected = -(0.7 * own + 0.3 * logp.mean(-1)).mean()
    run.advance()
    assert math.isclose(run.loss, float(expected.detach()), rel_tol=1e-5)
    finish(run)
    alone = [run.val.cut(np.array([i])) for i in range(len(run.val))]
    with torch.no_grad():
        each = [-run.model(b.tokens, b.mask).log_softmax(-1)[0, b.labels[0]] for b in alone]
    assert math.isclose(run.curve[-1].val_loss, float(sum(each)) / len(each), rel_tol=1e-5)


def test_stacks_of_every_depth_are_trained_on_the_same_batches() -> None:
    one, two = training(depth=1), training(depth=3)
    for step in range(20):
        assert torch.equal(one._batch(step).tokens, two._batch(step).tokens)


def test_the_curve_begins_before_the_first_step() -> None:
    run = training()
    first = run.curve[0]
    assert len(run.curve) == 1 and first.step == 0 and first.lr == 0.0
    assert abs(first.val_loss - math.log(3)) < 0.5  # an untrained stack knows nothing of three classes
    finish(run)
    assert [row.step for row in run.curve] == [0, 10, 20, 30]


def test_the_layers_are_recorded_at_the_step_of_early_stopping() -> None:
    run = training(patience=1, epochs=60, lr=0.03)
    finish(run)
    assert run.stopped_early and run.step < 600 and run.step not in run.probe_steps
    assert run.layers[-1].step == run.step


def test_losses_at_other_lengths_are_finite_and_given_with_the_loss_of_the_source() -> None:
    run = task("markov", {"train_len": 8, "longest": 4}, causal=True, epochs=1, pe="relative")
    finish(run)
    result = run.result()
    assert [n for n, *_ in result.by_length] == [4, 8, 16, 32] and all(
        math.isfinite(x) for _, *rest in result.by_length for x in rest
    )
    assert result.test_loss is not None and result.test_source is not None
    assert result.test_excess == result.test_loss - result.test_source
    assert {n: source for n, _, _, source in result.by_length}[8] == result.test_source
    assert result.test_acc_shuffled is None


def test_a_training_on_a_task_restored_in_the_middle_continues_bit_for_bit() -> None:
    whole, first = (task("tree", {}, pe=part("structural", form="relative", clip=4)) for _ in range(2))
    losses = finish(whole)
    for _ in range(5):
        first.advance()
    second = task("tree", {}, pe=part("structural", form="relative", clip=4))
    second.restore(first.state())
    assert finish(second) == losses[5:] and second.result() == whole.result()
