"""The loop: stateless randomness, exact resume, and numbers that are what they are called."""

import io
import math
import tracemalloc
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stackcli.common import registry
from stackcli.data.text import windows
from stackcli.diagnostics import layer_statistics
from stackcli.model.build import build
from stackcli.training.batching import Padded
from stackcli.training.evaluation import answers, by_class, raise_positions, reverse_tokens, shuffle_tokens
from stackcli.training.loop import Training, weights_hash
from stackcli.training.optimizer import learning_rate, optimizer
from tests.factory import config, part, stack, tiny

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 8, "epochs": 3}


def training(**changes: Any) -> Training:
    c, data = config(**{**SMALL, **changes}), tiny()
    return Training(build(c, vocab=len(data.vocab), classes=3, max_len=data.max_len), data, c, layer_statistics)


def finish(run: Training) -> list[str]:
    """The losses as they pass, exactly."""
    losses = []
    while not run.finished:
        run.advance()
        losses.append(run.loss.hex())
    return losses


def test_two_trainings_are_equal_bit_for_bit() -> None:
    one, two = training(), training()
    assert finish(one) == finish(two)
    assert weights_hash(one.model) == weights_hash(two.model) and one.curve == two.curve and one.layers == two.layers


@pytest.mark.parametrize("at", [1, 7, 10, 23, 29])
def test_a_training_restored_at_any_step_goes_on_bit_for_bit(at: int) -> None:
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


def test_recording_and_evaluating_change_no_weight() -> None:
    plain, recorded, patient = training(probes=False), training(probes=True), training(patience=100)
    for run in (plain, recorded, patient):
        finish(run)
    assert plain.layers == [] and len(recorded.layers) > 0
    assert weights_hash(plain.model) == weights_hash(recorded.model) == weights_hash(patient.model)


def test_the_rate_rises_then_falls_as_a_cosine_or_stays() -> None:
    c = config(lr=1.0, warmup=0.1, schedule="cosine")
    assert [learning_rate(c, s, 100) for s in (0, 4, 9)] == [0.1, 0.5, 1.0]
    assert learning_rate(c, 10, 100) == 1.0
    assert math.isclose(learning_rate(c, 55, 100), 0.5) and learning_rate(c, 100, 100) == 0.0
    flat = config(lr=1.0, warmup=0.0, schedule="constant")
    assert {learning_rate(flat, s, 100) for s in range(100)} == {1.0}


def test_decay_is_on_matrices_alone() -> None:
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
def test_decay_reaches_the_linear_maps_of_an_encoding_and_no_vector_of_it(name: str) -> None:
    model = stack(pe=name)
    decayed = {id(p) for p in optimizer(model, config(weight_decay=0.3)).param_groups[0]["params"]}
    own = [(n, p) for pe in (model.pe, *(b.own for b in model.stack if b.own)) for n, p in pe.named_parameters()]
    assert {n for n, p in own if id(p) in decayed} == MATRICES.get(name, set())


def test_rows_that_training_never_reaches_stay_as_they_were_drawn() -> None:
    run = training(pe="learned", weight_decay=1.0, lr=0.01)
    run.model.pe.table = torch.nn.Parameter(torch.randn(20, run.model.pe.table.shape[1]))
    run.optimizer = optimizer(run.model, run.config)
    before = run.model.pe.table.detach().clone()
    finish(run)
    moved = (run.model.pe.table.detach() - before).abs().amax(1)
    assert (moved[8:] == 0).all() and (moved[:8] > 0).all()  # the longest text has 8 tokens


def test_a_trial_of_a_search_never_reads_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    from stackcli.training import loop

    run, read = task("markov", {"train_len": 8, "longest": 4}, causal=True, epochs=1), list[Any]()
    was = loop.answers
    monkeypatch.setattr(loop, "answers", lambda model, part, **more: read.append(part) or was(model, part, **more))
    finish(run)
    blind = run.result(test=False)
    assert read and all(any(part is known for known in (run.val, run.train_subset)) for part in read)
    seen = run.result()
    assert any(part is run.test for part in read)
    tested = {f.name for f in fields(seen) if getattr(blind, f.name) != getattr(seen, f.name)}
    named = {f.name for f in fields(seen) if f.name.startswith("test_") and getattr(seen, f.name) not in (None, "")}
    assert tested == named | {"macro_f1", "acc_by_class", "confusion", "by_length"}


def test_a_loss_that_is_no_number_is_a_result_with_its_step() -> None:
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


def test_label_smoothing_is_in_training_alone() -> None:
    run = training(label_smoothing=0.5, lr=1e-12, weight_decay=0.0)
    plain = training(label_smoothing=0.0, lr=1e-12, weight_decay=0.0)
    finish(run), finish(plain)
    assert run.loss != plain.loss
    assert math.isclose(run.curve[0].val_loss, plain.curve[0].val_loss, rel_tol=1e-6)


def test_a_language_of_many_words_has_scores_by_class_and_no_confusion_matrix() -> None:
    from sklearn import metrics

    draw = np.random.default_rng(0)
    true = draw.permutation(np.arange(6000) % 3000).astype(np.uint16)
    said = np.where(draw.random(6000) < 0.5, true, draw.integers(0, 3000, 6000)).astype(np.uint16)
    found = by_class(true, said, 3000)
    assert np.allclose(found["acc_by_class"], metrics.recall_score(true, said, average=None))
    assert np.isclose(found["macro_f1"], metrics.f1_score(true, said, average="macro"))
    assert found["test_acc"] == metrics.accuracy_score(true, said) and found["confusion"] == ()


def test_scores_by_class_are_scikit_learns() -> None:
    from sklearn import metrics

    draw = np.random.default_rng(0)
    true, said = draw.integers(0, 4, 200), draw.integers(0, 4, 200)
    found = by_class(true, said, 4)
    assert np.array_equal(found["confusion"], metrics.confusion_matrix(true, said))
    assert np.allclose(found["acc_by_class"], metrics.recall_score(true, said, average=None))
    assert math.isclose(found["macro_f1"], metrics.f1_score(true, said, average="macro"))
    assert math.isclose(found["test_acc"], metrics.accuracy_score(true, said))


def test_the_first_losses_are_those_of_this_numerics_version() -> None:
    from stackcli.experiment.identity import NUMERICS_VERSION

    run, losses = training(dropout=0.1), []
    for _ in range(5):
        run.advance()
        losses.append(run.loss)
    golden = [1.26553, 1.14791, 1.03596, 1.16363, 1.27511]
    assert NUMERICS_VERSION == 2 and np.allclose(losses, golden, atol=1e-4), losses


@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_rate_of_a_billion_diverges_and_no_nan_is_averaged(residual: str, clip: float) -> None:
    run = training(lr=1e9, residual=residual, clip=clip)
    losses = finish(run)
    result = run.result()
    assert result.status == "diverged" and result.diverged_step == len(losses) - 1
    assert result.test_loss is None and all(math.isfinite(row.train_loss) for row in run.curve)


def test_label_smoothing_is_the_formula_in_training_and_absent_from_evaluation() -> None:
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


def test_every_depth_meets_the_same_batches() -> None:
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


def test_early_stopping_is_looked_at_where_it_stops() -> None:
    run = training(patience=1, epochs=60, lr=0.03)
    finish(run)
    assert run.stopped_early and run.step < 600 and run.step not in run.probe_steps
    assert run.layers[-1].step == run.step


def task(name: str, keys: dict[str, Any], **changes: Any) -> Training:
    """A training on a made-up task."""
    loaded = registry.build_part("data", name, **{"size": 64, **keys}).load()
    c = config(**{**SMALL, "label_smoothing": 0.0, **changes})
    return Training(build(c, **loaded.sizes), loaded, c, layer_statistics)


def test_answers_about_a_long_text_take_three_bytes_a_token() -> None:
    text = np.random.default_rng(0).integers(2, 12, 200_001).astype(np.uint8)
    part = Padded(windows(text, 50), max_len=50, device="cpu", masked=True)
    small = config(dim=8, heads=1, depth=1, ff=1.0, causal=True)
    model = build(small, vocab=12, classes=12, max_len=50, every=True)
    answers(model, part, full=False)
    tracemalloc.start()
    try:
        found = answers(model, part, full=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.said) == 200_000 and np.array_equal(np.bincount(found.true), np.bincount(text[1:]))
    assert peak < 3 * 200_000 + 2**19  # and what a batch takes


def test_only_what_is_asked_about_is_scored_token_by_token() -> None:
    run = task("copy", {"train_len": 4, "longest": 1}, causal=True, dropout=0.0)
    total, right, count = 0.0, 0, 0
    examples = registry.build_part("data", "copy", size=64, train_len=4, longest=1).load().val
    with torch.no_grad():
        for tokens, targets in zip(examples.tokens, examples.targets, strict=True):
            logp = run.model.eval()(torch.tensor([tokens])).log_softmax(-1)[0].double()
            for t, target in enumerate(targets):
                if target >= 0:
                    total, count = total - float(logp[t, target]), count + 1
                    right += int(logp[t].argmax()) == target
    assert math.isclose(run.curve[0].val_loss, total / count, rel_tol=1e-6) and run.curve[0].val_acc == right / count
    first = run._batch(0)
    asked = first.labels >= 0
    expected = F.cross_entropy(run.model.train()(first.tokens, first.mask)[asked], first.labels[asked])
    run.advance()
    assert math.isclose(run.loss, float(expected.detach()), rel_tol=1e-5)


def test_several_answers_a_token_are_scored_one_by_one() -> None:
    run = task("lag", {"lags": 3, "train_len": 6, "longest": 2}, causal=True, epochs=1)
    finish(run)
    result = run.result()
    assert len(result.acc_by_output) == 3 and len(result.by_length) == 3
    part = run.test
    with torch.no_grad():
        run.model.load_state_dict(run.best or {})
        said = run.model.eval()(part.cut(np.arange(len(part))).tokens)[:, :, :, :].argmax(-1)  # (N, T, 3)
    labels = part.labels[:, :6]
    for lag in range(3):
        asked = labels[..., lag] >= 0
        right = float((said[..., lag] == labels[..., lag])[asked].double().mean())
        assert math.isclose(result.acc_by_output[lag], right)
    assert {n: acc for n, _, acc, _ in result.by_length}[6] == result.test_acc


def test_an_encoding_that_ends_is_refused_beyond_its_end_and_says_nothing_there() -> None:
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


def test_order_counts_for_nothing_without_positions_and_for_all_where_it_is_the_answer() -> None:
    none, alibi = (task("order", {"size": 512}, pe=pe, epochs=20, lr=0.01) for pe in ("none", "alibi"))
    for run in (none, alibi):
        finish(run)
    without, seen = none.result(), alibi.result()
    assert without.test_acc == without.test_acc_shuffled == without.test_acc_reversed == 0.5
    assert seen.test_acc > 0.95 and seen.test_acc_reversed < 0.05 and 0.2 < seen.test_acc_shuffled < 0.8
    assert seen.test_acc_shifted == seen.test_acc  # a relative encoding


def test_changed_batches_move_real_tokens_alone() -> None:
    run = training()
    batch = run.test.cut(np.arange(6))
    for change in (shuffle_tokens, reverse_tokens):
        moved = change(batch)
        assert moved.tokens.sort(1).values.equal(batch.tokens.sort(1).values) and not moved.tokens.equal(batch.tokens)
        assert batch.mask is not None and bool(((moved.tokens > 0) == batch.mask).all())
    lengths = batch.mask.sum(1)
    for before, after, n in zip(batch.tokens, reverse_tokens(batch).tokens, lengths, strict=True):
        assert after[:n].equal(before[:n].flip(0))
    assert raise_positions(5)(batch).pos.tolist() == list(range(5, 5 + batch.tokens.shape[1]))


def test_a_task_restored_in_the_middle_goes_on_bit_for_bit() -> None:
    whole, first = (task("tree", {}, pe=part("structural", form="relative", clip=4)) for _ in range(2))
    losses = finish(whole)
    for _ in range(5):
        first.advance()
    second = task("tree", {}, pe=part("structural", form="relative", clip=4))
    second.restore(first.state())
    assert finish(second) == losses[5:] and second.result() == whole.result()


def test_which_items_are_answered_rightly_stands_in_the_order_of_the_test_part() -> None:
    run = training(epochs=1)
    finish(run)
    result = run.result()
    run.model.load_state_dict(run.best or {})
    run.model.eval()
    loaded = tiny()
    with torch.no_grad():
        each = [int(run.model(torch.tensor([tokens]), None, None, None).argmax()) for tokens in loaded.test.tokens]
    right = "".join("01"[said == label] for said, label in zip(each, loaded.test.labels, strict=True))
    assert result.test_right == right and right.count("1") == round((result.test_acc or 0) * len(right))
    lengths = [len(tokens) for tokens in loaded.test.tokens]
    assert 0 < right.count("1") < len(right) and lengths != sorted(lengths)


def test_where_tokens_are_asked_about_no_items_are_listed() -> None:
    run = task("lag", {"size": 64})
    assert run.result().test_right == ""
