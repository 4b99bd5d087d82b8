"""What a stack answers about a part, and the scores of its answers."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stackcli.common import registry
from stackcli.data.base import Examples
from stackcli.data.text import windows
from stackcli.model.batch import Batch
from stackcli.model.build import build
from stackcli.training import evaluation
from stackcli.training.batching import Padded
from stackcli.training.evaluation import (
    Answers,
    answers,
    by_class,
    by_output,
    forward_loss,
    raise_positions,
    raise_to_end,
    reverse_tokens,
    right_by_item,
    shuffle_tokens,
    subset,
    summed_loss,
)
from tests.diagnostics.examples import two_questions
from tests.factory import config, tiny
from tests.training.examples import finish, task, training


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_loss_of_many_classes_is_that_of_all_logits_at_once(outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.diagnostics.examples import training as trained

    run, passes = trained(two_questions(outputs), depth=1), []
    batch, weights = run.train.cut(np.arange(7)), [p for p in run.model.parameters() if p.requires_grad]
    run.model.eval().register_forward_hook(lambda *_: passes.append(1))

    def loss_and_gradients(most: int) -> list[torch.Tensor]:
        monkeypatch.setattr(evaluation, "LOGITS", most)
        loss = forward_loss(run.model, batch, 0.1)
        return [loss, *torch.autograd.grad(loss, weights)]

    for one, other in zip(loss_and_gradients(0), loss_and_gradients(10**9), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    assert len(passes) == outputs  # with one answer at a token, only the second loss is of all logits


def test_scores_by_class_equal_scikit_learns() -> None:
    from sklearn import metrics

    draw = np.random.default_rng(0)
    true, said = draw.integers(0, 4, 200), draw.integers(0, 4, 200)
    found = by_class(true, said, 4)
    assert np.array_equal(found["confusion"], metrics.confusion_matrix(true, said))
    assert np.allclose(found["acc_by_class"], metrics.recall_score(true, said, average=None))
    assert math.isclose(found["macro_f1"], metrics.f1_score(true, said, average="macro"))
    assert math.isclose(found["test_acc"], metrics.accuracy_score(true, said))


def test_a_language_of_many_words_has_scores_by_class_and_no_confusion_matrix() -> None:
    from sklearn import metrics

    draw = np.random.default_rng(0)
    true = draw.permutation(np.arange(6000) % 3000).astype(np.uint16)
    said = np.where(draw.random(6000) < 0.5, true, draw.integers(0, 3000, 6000)).astype(np.uint16)
    found = by_class(true, said, 3000)
    assert np.allclose(found["acc_by_class"], metrics.recall_score(true, said, average=None))
    assert np.isclose(found["macro_f1"], metrics.f1_score(true, said, average="macro"))
    assert found["test_acc"] == metrics.accuracy_score(true, said) and found["confusion"] == ()


def test_answers_about_a_long_text_take_three_bytes_of_memory_a_token() -> None:
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


def test_only_tokens_with_a_target_are_scored() -> None:
    run = task("copy", {"train_len": 4, "longest": 1}, causal=True, dropout=0.0)
    total, right, count = 0.0, 0, 0
    examples = registry.build_part("data", "copy", size=64, train_len=4, longest=1).load().val
    with torch.no_grad():
        for tokens, targets in zip(examples.tokens, examples.targets, strict=True):
            logp = run.model.eval()(torch.tensor(tokens)[None]).log_softmax(-1)[0].double()
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


def test_several_answers_at_each_token_have_an_accuracy_each() -> None:
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


def test_shuffling_and_reversing_change_nothing_without_positions_and_the_answer_where_it_is_the_order() -> None:
    none = task("order", {"size": 512}, pe="none", epochs=2, lr=0.01)
    alibi = task("order", {"size": 512}, pe="alibi", epochs=14, lr=0.01)
    for run in (none, alibi):
        finish(run)
    without, seen = none.result(), alibi.result()
    assert without.test_acc == without.test_acc_shuffled == without.test_acc_reversed == 0.5
    assert seen.test_acc is not None and seen.test_acc_reversed is not None and seen.test_acc_shuffled is not None
    assert seen.test_acc > 0.95 and seen.test_acc_reversed < 0.05 and 0.2 < seen.test_acc_shuffled < 0.8
    assert seen.test_acc_shifted == seen.test_acc  # a relative encoding


def test_shuffling_and_reversing_leave_the_padding_where_it_is() -> None:
    run = training()
    batch = run.test.cut(np.arange(6))
    assert batch.mask is not None
    for change in (shuffle_tokens, reverse_tokens):
        moved = change(batch)
        assert moved.tokens.sort(1).values.equal(batch.tokens.sort(1).values) and not moved.tokens.equal(batch.tokens)
        assert bool(((moved.tokens > 0) == batch.mask).all())
    lengths = batch.mask.sum(1)
    for before, after, n in zip(batch.tokens, reverse_tokens(batch).tokens, lengths, strict=True):
        assert after[:n].equal(before[:n].flip(0))
    raised = raise_positions(5)(batch).pos
    assert raised is not None and raised.tolist() == list(range(5, 5 + batch.tokens.shape[1]))


def test_right_and_wrong_answers_are_listed_in_the_order_of_the_test_part() -> None:
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


def test_right_and_wrong_answers_are_not_listed_where_every_token_has_an_answer() -> None:
    run = task("lag", {"size": 64})
    assert run.result().test_right == ""


def test_a_class_that_the_part_lacks_has_recall_0_and_counts_in_f1_only_if_it_was_answered() -> None:
    found = by_class(np.array([0, 0, 1]), np.array([0, 2, 1]), 4)
    assert found["test_acc"] == 2 / 3 and found["acc_by_class"] == (0.5, 1.0, 0.0, 0.0)
    assert math.isclose(found["macro_f1"], (2 / 3 + 1 + 0) / 3)  # F1 of classes 0, 1 and 2
    assert found["confusion"] == ((1, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))


def test_reversing_turns_the_real_tokens_around_and_leaves_the_padding_behind_them() -> None:
    tokens = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7], [8, 0, 0, 0]])
    batch = Batch(tokens, torch.zeros(3, dtype=torch.long), tokens > 0)
    assert reverse_tokens(batch).tokens.tolist() == [[3, 2, 1, 0], [7, 6, 5, 4], [8, 0, 0, 0]]


def test_a_shuffled_sequence_depends_on_its_own_tokens_and_not_on_its_batch() -> None:
    row = torch.arange(1, 13)[None]
    alone = shuffle_tokens(Batch(row, torch.zeros(1), None)).tokens[0]
    wide = torch.cat([torch.nn.functional.pad(row, (0, 3)), torch.arange(15)[None] + 20])
    together = shuffle_tokens(Batch(wide, torch.zeros(2), wide > 0)).tokens[0]
    assert together[:12].equal(alone) and together[12:].tolist() == [0, 0, 0]
    assert not alone.equal(row[0]) and alone.sort().values.equal(row[0])


def test_positions_are_raised_until_the_last_real_token_stands_at_the_end_of_the_range() -> None:
    pos = torch.tensor([[0, 3, 9, 19], [2, 4, 5, 6]])
    mask = torch.tensor([[True, True, True, False], [True] * 4])
    raised = raise_to_end(20)(Batch(torch.ones(2, 4), torch.zeros(2), mask, pos=pos)).pos
    assert raised is not None and raised.tolist() == [[10, 13, 19, 19], [15, 17, 18, 19]]


def test_accuracy_by_output_and_answers_by_item_are_those_worked_out_by_hand() -> None:
    found = Answers(0.0, np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4]), np.array([0, 1, 0, 1]))
    assert by_output(found) == (0.5, 1.0)
    part = Padded(Examples(((1, 1, 1), (1,), (1, 1)), (0, 0, 0), ("",) * 3), max_len=3, device="cpu", masked=True)
    shortest_first = Answers(0.0, np.array([0, 1, 1]), np.array([0, 1, 0]), np.zeros(3))  # items 1, 2, 0
    assert right_by_item(shortest_first, part) == "011"


def test_the_subset_of_the_training_part_has_no_item_twice_and_keeps_their_order() -> None:
    examples = Examples(tuple((i,) for i in range(50)), tuple(range(50)), ("",) * 50)
    picked = subset(examples, 20).labels
    assert len(set(picked)) == 20 and list(picked) == sorted(picked) and picked != tuple(range(20))
    assert subset(examples, 80).labels == tuple(range(50))


def test_the_loss_computed_a_few_rows_at_a_time_is_the_sum_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 7
    whole = -sum(float(torch.log_softmax(row.double(), 0)[c]) for row, c in zip(logits, labels, strict=True))
    assert summed_loss(logits, labels) == pytest.approx(whole, rel=1e-12)
    for most in (1, 7, 22, 350):
        monkeypatch.setattr("stackcli.training.evaluation.AT_ONCE", most)
        assert summed_loss(logits, labels) == pytest.approx(whole, rel=1e-12)
