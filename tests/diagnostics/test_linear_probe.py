"""What a layer is worth, in stacks whose weights are set so that it is known, and against formulas and loops."""

import math
import random
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from stackcli.common.records import Result
from stackcli.data.base import UNSCORED, Examples, Loaded
from stackcli.diagnostics import cka as cka_module
from stackcli.diagnostics import layer_outputs, layer_report, layer_statistics, linear_probe
from stackcli.experiment.report import write_tables
from stackcli.model.build import build
from stackcli.model.stack import StackedAttention
from stackcli.training.evaluation import answers
from stackcli.training.loop import Training
from tests.factory import config, tiny
from tests.figures import factory

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 8, "epochs": 2, "probes": False}


def training(loaded: Loaded, **changes: Any) -> Training:
    c = config(**{**SMALL, **changes})
    return Training(build(c, **loaded.sizes), loaded, c, layer_statistics)


def trained(loaded: Loaded, **changes: Any) -> Training:
    run = training(loaded, **changes)
    while not run.finished:
        run.advance()
    return run


# ---- a stack in which block 2 does all the work

PAIRS = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # of tokens 1 to 4


def same_or_not(repeats: int) -> Loaded:
    """One to three times the same token, whose class says whether the two signs of its vector are equal: no linear map
    of the vector tells."""
    kinds = [(token, length) for token in (1, 2, 3, 4) for length in (1, 2, 3)] * repeats
    tokens, labels = tuple((t,) * n for t, n in kinds), tuple(int(t in (1, 4)) for t, _ in kinds)
    part = Examples(tokens, labels, ("",) * len(tokens))
    return Loaded(part, part, part, tuple("pabcd"), ("differ", "equal"), 3, False)


@torch.no_grad()
def set_by_hand(model: StackedAttention) -> dict[str, torch.Tensor]:
    """Weights with which all branches but block 2's feed-forward map give 0, and that one a number: 4 where the signs
    are equal, else 0. The numbers come in pairs of opposite sign, so that normalisation moves nothing."""
    for parameter in model.parameters():
        parameter.fill_(1.0 if parameter.dim() == 1 else 0.0)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
    model.embedding.weight[1:5, :4] = torch.cat((PAIRS, -PAIRS), 1)
    feed = model.stack[1].feed
    assert feed is not None
    feed.ff1.weight[0, :2], feed.ff1.weight[1, :2] = 1.0, -1.0
    feed.ff2.weight[4, :2], feed.ff2.weight[5, :2] = 1.0, -1.0
    model.head.weight[1, 4], model.head.bias[0] = 1.0, 1.0
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture
def worked() -> Iterator[Training]:
    """Chosen weights set by hand; the last ones are others."""
    run = training(same_or_not(5), depth=3, pe="none")
    last = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.best = set_by_hand(run.model)
    run.model.load_state_dict(last)
    yield run


def test_the_class_is_read_off_after_the_block_that_makes_it_and_not_before(worked: Training) -> None:
    assert [row.probe_acc for row in layer_report.layer_rows(worked)] == [0.5, 0.5, 1.0, 1.0]
    assert [row.layer for row in layer_report.layer_rows(worked)] == [0, 1, 2, 3]


def test_without_the_only_useful_block_the_answer_is_chance_and_without_an_idle_one_the_same(worked: Training) -> None:
    found = layer_report.layer_rows(worked)
    assert worked.best is not None
    worked.model.load_state_dict(worked.best)
    whole = answers(worked.model, worked.test, full=False)
    assert whole.acc == 1.0
    assert [row.without_acc for row in found] == [None, 1.0, 0.5, 1.0]
    assert found[0].without_loss is None
    assert found[1].without_loss == found[3].without_loss == pytest.approx(whole.loss, rel=1e-6)
    idle = (math.log(1 + math.exp(1)) + math.log(1 + math.exp(-1))) / 2  # logits 1 and 0, whatever the class
    assert found[2].without_loss == pytest.approx(idle, rel=1e-6)


def test_blocks_that_hand_on_what_they_get_are_alike_and_the_working_one_changes_its_input(worked: Training) -> None:
    cka = [row.cka for row in layer_report.layer_rows(worked)]
    assert cka[0][1] == cka[2][3] == cka[1][1] == 1.0
    assert cka[1][2] < 0.9


# ---- a layer removed


@pytest.mark.parametrize("parts", [{"residual": "pre"}, {"residual": "post", "pe": "relative"}, {"residual": "none"}])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_stack_without_a_block_is_the_stack_built_without_it(parts: dict[str, Any], layer: int) -> None:
    loaded = tiny()
    run = trained(loaded, depth=3, ff=2.0, **parts)
    other = training(loaded, depth=2, ff=2.0, **parts)
    assert run.best is not None
    moved = {}
    for name, value in run.best.items():
        group, _, rest = name.partition(".")
        if group == "blocks":
            number, _, rest = rest.partition(".")
            if int(number) == layer - 1:
                continue
            name = f"blocks.{int(number) - (int(number) >= layer)}.{rest}"
        moved[name] = value
    other.model.load_state_dict(moved)
    expected, found = answers(other.model, other.test, full=False), layer_report.layer_rows(run)[layer]
    assert found.without_acc == expected.acc
    assert found.without_loss == pytest.approx(expected.loss, rel=1e-6)


def test_in_a_deep_stack_the_mean_difference_on_some_sequences_is_added_to_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = trained(tiny(), depth=3)
    monkeypatch.setattr(layer_report, "REMOVALS", 3 * 7)
    monkeypatch.setattr(layer_report, "FEWEST", 2)
    found = layer_report.layer_rows(run)
    with layer_report.chosen_weights(run) as model, torch.no_grad():
        order, scores = layer_outputs.draw_sequences(run.test), []
        for at in order:  # one sequence at a time: all of its layers, then without layer 2
            batch = run.test.cut(np.array([at]))
            x, ctx = model.enter(batch.tokens, batch.mask, None, None)
            first = model.stack[0](x, ctx, model.pe)
            both = [first, model.stack[1](first, ctx, model.pe)]
            logits = [model.answer(model.stack[2](y, ctx, model.pe), ctx.mask)[0] for y in both]
            label = int(batch.labels)
            scores.append([(float(z.argmax() == label), -float(z.log_softmax(-1)[label])) for z in logits])
    less, whole = np.array(scores).transpose(1, 0, 2)
    acc, loss = whole.mean(0) + (less[:7] - whole[:7]).mean(0)
    assert found[2].without_acc == pytest.approx(acc, abs=1e-12)
    assert found[2].without_loss == pytest.approx(loss, rel=1e-5)
    assert abs(loss - less.mean(0)[1]) > 1e-4  # not what all sequences would give


# ---- what is looked at


def by_loop(run: Training, part: Any, layer: int) -> np.ndarray:
    """The mean vector of each sequence after a layer, each sequence alone and unpadded, in the part's order."""
    rows = []
    with layer_report.chosen_weights(run) as model, torch.no_grad():
        for tokens in part.tokens:
            x, ctx = model.enter(torch.tensor([tokens]), None, None, None)
            for block in model.stack[:layer]:
                x = block(x, ctx, model.pe)
            rows.append(x[0].mean(0).double().numpy())
    return np.array(rows)


def standard(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    return (x - by.mean(0)) / by.std(0)


@pytest.mark.parametrize("pad", ["batch", "max"])
def test_a_probe_is_logistic_regression_on_the_mean_of_real_tokens(pad: str) -> None:
    loaded = tiny()
    run = trained(loaded, depth=2, pad=pad)
    found = layer_report.layer_rows(run)
    for layer in (0, 1, 2):
        x, z = by_loop(run, loaded.train, layer), by_loop(run, loaded.test, layer)
        model = LogisticRegression(C=linear_probe.STRENGTH, tol=1e-6, max_iter=1000).fit(
            standard(x, x), loaded.train.labels
        )
        assert found[layer].probe_acc == model.score(standard(z, x), loaded.test.labels)
        expected = [cka_by_loops(z, by_loop(run, loaded.test, other)) for other in (0, 1, 2)]
        assert found[layer].cka == pytest.approx(expected, abs=2e-6)


def two_questions(outputs: int) -> Loaded:
    """At every token but the first: which token it is, and a second answer that is noise; at some, only the first."""
    draw = np.random.default_rng(0)

    def part(count: int) -> Examples:
        tokens, targets = [], []
        for _ in range(count):
            row = draw.integers(1, 5, draw.integers(2, 7)).tolist()
            noise = draw.integers(0, 4, len(row)).tolist()
            asked = [(t - 1, n if t != 4 else UNSCORED) for t, n in zip(row, noise, strict=True)]
            asked[0] = (UNSCORED, UNSCORED)
            tokens.append(tuple(row))
            targets.append(tuple(x for pair in asked for x in pair[:outputs]))
        return Examples(tuple(tokens), (), ("",) * count, tuple(targets))

    names = ("a", "b", "c", "d")
    return Loaded(part(60), part(20), part(40), ("pad", *names), names, 6, False, every=True, outputs=outputs)


@pytest.mark.parametrize("outputs", [1, 2])
def test_where_every_token_is_asked_about_a_probe_reads_scored_tokens_for_each_output(outputs: int) -> None:
    loaded = two_questions(outputs)
    run = training(loaded, depth=1, pe="none")
    vectors = run.model.embedding.weight.detach().double().numpy()

    def asked(part: Examples, output: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x = [vectors[t] for row in part.tokens for t in row[1:]]
        y = [c for row in part.targets for c in row[output::outputs][1:]]
        return np.array(x), np.array(y), np.array(y) != UNSCORED

    expected = []
    for output in range(outputs):
        (x, y, here), (z, true, there) = asked(loaded.train, output), asked(loaded.test, output)
        x, z = standard(x, x), standard(z, x)
        model = LogisticRegression(C=linear_probe.STRENGTH, tol=1e-6).fit(x[here], y[here])
        expected.append(model.score(z[there], true[there]))
    found = layer_report.layer_rows(run)[0].probe_acc
    assert expected[0] == 1.0 and sum(expected[1:]) < 0.5
    assert found == pytest.approx(sum(expected) / outputs, abs=1e-12)


def test_of_many_items_a_fixed_draw_of_those_asked_about_is_looked_at() -> None:
    run = training(two_questions(2), depth=1)
    order = layer_outputs.draw_sequences(run.train)
    every = (run.train.labels[:, :, 0] != UNSCORED).sum()
    assert layer_outputs.choose_items(run.train, order, 10_000).sum() == every
    some = layer_outputs.choose_items(run.train, order[:30], 25)
    assert some.sum() == 25 and torch.equal(some, layer_outputs.choose_items(run.train, order[:30], 25))
    assert bool((run.train.labels[some][:, 0] != UNSCORED).all())
    assert not bool(some[order[30:]].any())
    assert sorted(order.tolist()) == list(range(60))


@pytest.mark.parametrize("loaded", [tiny(), two_questions(2)], ids=["sequences", "tokens"])
def test_small_batches_of_which_nothing_is_looked_at_change_nothing(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training(loaded, depth=1)
    monkeypatch.setattr(layer_outputs, "ITEMS", 5)
    whole = layer_report.layer_rows(run)
    monkeypatch.setattr(layer_outputs, "EVALUATION", 2)
    for one, other in zip(whole, layer_report.layer_rows(run), strict=True):
        assert one.probe_acc == other.probe_acc and one.cka == pytest.approx(other.cka, abs=1e-5)
        assert one.without_acc == other.without_acc


# ---- the classifier


def blobs(classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    y = draw.integers(0, classes, 300)
    return draw.normal(size=(300, 5)) + 0.7 * draw.normal(size=(classes, 5))[y], y


def test_the_classifier_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "SLOPE", 1e-10)
    x, y = blobs(4)
    classes, weight, bias = linear_probe.classifier(torch.from_numpy(x), torch.from_numpy(y) * 3)
    other = LogisticRegression(C=linear_probe.STRENGTH, tol=1e-12, max_iter=10_000).fit(x, y)
    assert classes.tolist() == [0, 3, 6, 9]
    assert np.abs(weight.numpy() - other.coef_).max() < 1e-6
    assert np.abs((bias - bias.mean()).numpy() - (other.intercept_ - other.intercept_.mean())).max() < 1e-6


def test_of_two_classes_it_is_scikit_learns_with_twice_the_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "SLOPE", 1e-10)
    x, y = blobs(2)
    _, weight, bias = linear_probe.classifier(torch.from_numpy(x), torch.from_numpy(y))
    other = LogisticRegression(C=2 * linear_probe.STRENGTH, tol=1e-12, max_iter=10_000).fit(x, y)
    assert np.abs((weight[1] - weight[0]).numpy() - other.coef_[0]).max() < 1e-6
    assert float(bias[1] - bias[0]) == pytest.approx(other.intercept_[0], abs=1e-6)


def test_classes_that_were_not_learned_are_wrong_and_labels_that_nobody_asks_for_do_not_count() -> None:
    x = torch.eye(4).repeat(50, 1)
    y = torch.arange(4).repeat(50)[:, None]
    assert linear_probe.accuracy(x, y, x, y) == 1.0
    lacking = y.masked_fill(y == 2, UNSCORED)
    assert linear_probe.accuracy(x, lacking, x, y) == 0.75
    assert linear_probe.accuracy(x, lacking, x, lacking) == 1.0
    assert linear_probe.accuracy(x, torch.full_like(y, 3), x, y) == 0.25  # one class learned
    silent = torch.full_like(y, UNSCORED)
    assert linear_probe.accuracy(x, torch.cat((y, silent), 1), x, torch.cat((y, y), 1)) == 1.0
    assert linear_probe.accuracy(x, silent, x, y) is None


def test_numbers_that_vary_by_rounding_alone_are_not_read_and_those_not_finite_give_none() -> None:
    y = torch.arange(2).repeat(50)[:, None]
    x = torch.full((100, 3), 7.0, dtype=torch.float64) + 1e-9 * y
    assert linear_probe.accuracy(x, y, x, y) == 0.5
    assert linear_probe.accuracy(x - 7, y, x - 7, y) == 1.0
    for wrong in (math.nan, math.inf):
        broken = x.clone()
        broken[3, 1] = wrong
        assert linear_probe.accuracy(broken, y, x, y) is None and linear_probe.accuracy(x, y, broken, y) is None


# ---- similarity


def cka_by_loops(x: np.ndarray, y: np.ndarray) -> float:
    """From Gram matrices without their diagonal, term by term as Song et al. 2012 write it."""

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        n = len(a)
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        k, m = np.zeros((n, n)), np.zeros((n, n))
        for i, j in pairs:
            k[i, j], m[i, j] = sum(a[i] * a[j]), sum(b[i] * b[j])
        trace = sum(k[i, j] * m[j, i] for i, j in pairs)
        chain = sum(k[i, j] * m[j, q] for i, j in pairs for q in range(n))
        return float((trace + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * chain / (n - 2)) / (n * (n - 3)))

    return hsic(x, y) / math.sqrt(hsic(x, x) * hsic(y, y))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_similarity_is_that_of_gram_matrices_without_their_diagonal() -> None:
    x, z = normal(12, 5) + 3, normal(12, 7, seed=1) - 1
    z[:, :3] += 2 * x[:, :3]
    found = cka_module.similarities([x, z])
    assert found[0][1] == found[1][0] == round(cka_by_loops(x.numpy(), z.numpy()), 6)
    assert 0.1 < found[0][1] < 0.9
    assert found[0][0] == found[1][1] == 1.0


def test_similarity_does_not_see_a_rotation_a_shift_or_a_scale_but_a_stretch() -> None:
    x = normal(30, 6)
    turn = torch.linalg.qr(normal(6, 6, seed=2)).Q
    assert cka_module.similarities([x, 100 * x @ turn - 7, x * torch.tensor([5.0, 1, 1, 1, 1, 1])])[0][1] == 1.0
    assert cka_module.similarities([x, x * torch.tensor([5.0, 1, 1, 1, 1, 1])])[0][1] < 0.8


def test_independent_vectors_have_nothing_in_common_however_few() -> None:
    found = [cka_module.similarities([normal(50, 64, seed=s), normal(50, 64, seed=s + 100)])[0][1] for s in range(20)]
    assert abs(float(np.mean(found))) < 0.01  # the plain estimator gives .55
    assert max(map(abs, found)) < 0.1


def test_vectors_that_are_all_the_same_have_nothing_in_common_with_any() -> None:
    x, still = normal(20, 3), torch.full((20, 3), 1e4, dtype=torch.float64) + 1e-4 * normal(20, 3, seed=1)
    assert cka_module.similarities([x, still]) == [(1.0, 0.0), (0.0, 0.0)]
    assert cka_module.similarities([normal(3, 2), normal(3, 2)]) == [(), ()]


# ---- a run's part


def everything(value: Any) -> Any:
    """Tensors as bytes, so that a whole state can be compared."""
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: everything(item) for key, item in value.items()}
    return [everything(item) for item in value] if isinstance(value, list | tuple) else value


def test_looking_changes_nothing_and_two_looks_are_equal(capfd: pytest.CaptureFixture[str]) -> None:
    run = trained(tiny(), dropout=0.3, layer_drop=0.3, depth=3, lr=0.01)
    run.model.train()
    before, generators = everything(run.state()), (random.getstate(), np.random.get_state()[1].tolist())
    state = torch.random.get_rng_state()
    found = layer_report.layer_rows(run)
    assert everything(run.state()) == before
    assert (random.getstate(), np.random.get_state()[1].tolist()) == generators
    assert torch.equal(state, torch.random.get_rng_state())
    assert run.model.training and all(not block._forward_hooks for block in run.model.stack)
    torch.manual_seed(5)
    assert layer_report.layer_rows(run) == found
    assert capfd.readouterr() == ("", "")


def test_a_resumed_training_has_the_same_rows() -> None:
    whole, first, second = (training(tiny(), dropout=0.2) for _ in range(3))
    for _ in range(7):
        first.advance()
    second.restore(first.state())
    for run in (whole, second):
        while not run.finished:
            run.advance()
    assert layer_report.layer_rows(whole) == layer_report.layer_rows(second)


def test_a_study_with_rows_has_their_table_and_one_without_has_none(tmp_path: Any) -> None:
    frames = factory.study({"depth": (1, 2)})
    columns = dict.fromkeys([*frames.runs.columns, *(f.name for f in fields(Result))])
    frames = replace(frames, runs=frames.runs.reindex(columns=list(columns)))
    written = {path.name: path for path in write_tables(frames, tmp_path)}
    lines = written["stack.csv"].read_text().splitlines()
    assert len(lines) == 1 + len(frames.stack) and "probe_acc" in lines[0] and "cka" in lines[0]
    bare = replace(frames, stack=frames.stack.iloc[:0])
    assert "stack.csv" not in {path.name for path in write_tables(bare, tmp_path)}


def test_loss_and_answers_of_tokens_are_counted_by_scored_answers() -> None:
    run = training(two_questions(2), depth=2)
    with layer_report.chosen_weights(run) as model, torch.no_grad():
        found, total, right = layer_report.layer_rows(run), [], []
        for tokens, targets in zip(two_questions(2).test.tokens, two_questions(2).test.targets, strict=True):
            x, ctx = model.enter(torch.tensor([tokens]), None, None, None)
            logits = model.answer(model.stack[1](x, ctx, model.pe), None)[0].reshape(-1, 4)  # without layer 1
            for z, label in zip(logits, targets, strict=True):
                if label != UNSCORED:
                    total.append(float(F.cross_entropy(z, torch.tensor(label))))
                    right.append(float(z.argmax() == label))
    assert found[1].without_loss == pytest.approx(sum(total) / len(total), rel=1e-6)
    assert found[1].without_acc == sum(right) / len(right)
