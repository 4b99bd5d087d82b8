"""The position probe: exactly chance where positions cannot be told apart, and against scikit-learn and loops."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from stackcli.common.records import POSITIONS
from stackcli.data.base import Examples, Loaded
from stackcli.diagnostics import layer_report, linear_probe, position_probe
from stackcli.training.loop import Training
from tests.diagnostics.examples import trained, training
from tests.factory import tiny


def measured(run: Training) -> list[float | None]:
    return position_probe.position_accuracies(run.model.eval(), run.train, run.test)


@pytest.fixture(scope="module")
def long() -> Loaded:
    """Texts of 2 to 12 tokens, about half of which are long enough."""
    return tiny(n=120, length=12)


@pytest.mark.parametrize(
    "parts",
    [{"depth": 3}, {"residual": "post", "norm": "batch"}, {"attention": "linear"}, {"residual": "none", "depth": 8}],
)
def test_a_stack_that_treats_all_positions_alike_is_exactly_at_chance_after_every_layer(
    long: Loaded, parts: dict[str, Any]
) -> None:
    run = trained(long, pe="none", lr=0.01, **parts)
    assert measured(run) == [1 / POSITIONS] * (run.config.depth + 1)


def test_words_that_always_stand_at_the_same_place_tell_nothing() -> None:
    rows = tuple(tuple(range(1, POSITIONS + 1)) for _ in range(20))
    part = Examples(rows, (0, 1) * 10, ("",) * 20)
    loaded = Loaded(part, part, part, tuple("p12345678"), ("a", "b"), POSITIONS, False)
    assert measured(training(loaded, pe="none", depth=1, embed_std=1.0)) == [1 / POSITIONS] * 2


def test_position_vectors_far_larger_than_words_are_read_without_error(long: Loaded) -> None:
    run = training(long, pe="learned", depth=1)
    with torch.no_grad():
        (table,) = run.model.pe.parameters()
        table.copy_(100 * torch.eye(*table.shape))
    assert measured(run)[0] == 1.0


@pytest.mark.parametrize("parts", [{"causal": True}, {"pe": "relative"}])
def test_attention_that_depends_on_order_tells_positions_after_block_1_and_not_before(parts: dict[str, Any]) -> None:
    run = trained(tiny(n=400, length=12), **{"pe": "none", "depth": 2, "lr": 0.01, "epochs": 4, **parts})
    first, *rest = measured(run)
    assert first == 1 / POSITIONS and all(acc is not None and acc > 0.18 for acc in rest)


def by_loop(run: Training, rows: list[list[int]], layer: int) -> tuple[np.ndarray, np.ndarray]:
    """The vector of each token after a layer, each text alone, and the token's position."""
    x: list[list[float]] = []
    y: list[int] = []
    model = run.model.double()
    with torch.no_grad():
        for tokens in rows:
            h, ctx = model.enter(torch.tensor([tokens]), None, None, None)
            for block in model.stack[:layer]:
                h = block(h, ctx, model.pe)
            x += h[0].tolist()
            y += range(len(tokens))
    model.float()
    return np.array(x), np.array(y)


def test_a_probe_is_logistic_regression_on_rotated_windows_and_every_test_window_counts_in_all_rotations(
    long: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_probe, "TRAINED", 30)
    monkeypatch.setattr(position_probe, "TESTED", 5)
    run = trained(long, pe="learned", causal=True, depth=2, lr=0.01)
    found, seen = measured(run), []
    run.model.eval()
    original = position_probe.token_vectors

    def record(model: Any, rows: np.ndarray) -> Any:
        seen.append(rows.tolist())
        return original(model, rows)

    monkeypatch.setattr(position_probe, "token_vectors", record)
    assert measured(run) == found
    train, test = seen
    assert len(train) == 30 and len(test) == 5 * POSITIONS
    starts = {tuple(t[:POSITIONS]) for t in long.test.tokens if len(t) >= POSITIONS}
    for i in range(0, len(test), POSITIONS):
        turned = [[*test[i][POSITIONS - r :], *test[i][: POSITIONS - r]] for r in range(POSITIONS)]
        assert tuple(test[i]) in starts and test[i : i + POSITIONS] == turned
    allowed = {(*t[r:POSITIONS], *t[:r]) for t in long.train.tokens if len(t) >= POSITIONS for r in range(8)}
    assert {tuple(t) for t in train} <= allowed
    for layer, acc in enumerate(found):
        (x, y), (z, true) = by_loop(run, train, layer), by_loop(run, test, layer)
        z, x = (z - x.mean(0)) / x.std(0), (x - x.mean(0)) / x.std(0)
        model = LogisticRegression(C=linear_probe.STRENGTH, tol=1e-6, max_iter=2000).fit(x, y)
        assert acc == pytest.approx(model.score(z, true), abs=2 / len(true))


def test_training_windows_begin_at_all_places_of_their_text() -> None:
    rows = np.arange(40).reshape(5, 8)
    assert position_probe.rotate_rows(rows, np.array([0, 1, 2, 7, 3]))[:, 0].tolist() == [0, 15, 22, 25, 37]
    seen: list[np.ndarray] = []
    loaded = tiny(n=400, length=12)
    run = training(loaded, pe="none", depth=1)
    whole = position_probe.first_tokens(run.train, position_probe.TRAINED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(position_probe, "token_vectors", lambda _, rows: seen.append(rows) or [])  # type: ignore[func-returns-value]
        measured(run)
    at = [next(r for r in range(8) if np.array_equal(np.roll(a, r), b)) for a, b in zip(whole, seen[0], strict=True)]
    assert len(whole) == position_probe.TRAINED and min(np.bincount(at, minlength=8)) >= 5


def test_without_long_texts_or_where_the_stack_needs_trees_there_is_no_number(long: Loaded) -> None:
    assert measured(training(tiny(length=POSITIONS - 1), pe="none", depth=2)) == [None] * 3
    few = Loaded(long.train, long.val, tiny(length=5).test, long.vocab, long.classes, long.max_len, False)
    assert measured(training(few, pe="none", depth=1)) == [None] * 2
    run = training(long, pe="none", depth=1)
    run.model.pe.needs_tree = True
    assert measured(run) == [None] * 2


def test_a_layer_that_is_not_finite_has_no_number_and_the_report_has_those_of_the_chosen_weights(long: Loaded) -> None:
    run = trained(long, pe="learned", depth=2, lr=0.01)
    rows = layer_report.layer_rows(run)
    with layer_report.chosen_weights(run) as model, torch.no_grad():
        expected = position_probe.position_accuracies(model, run.train, run.test)
        assert [row.position_acc for row in rows] == expected and all(expected)
        model.stack[1].attention.out.weight.fill_(float("nan"))
        assert position_probe.position_accuracies(model, run.train, run.test) == [*expected[:2], None]
