"""Properties of every synthetic task."""

import math
from typing import Any

import pytest

from stackcli.common import registry
from stackcli.data import _task
from stackcli.data._rewrite import Rewrite
from stackcli.data._task import HELD_OUT, Task
from stackcli.data.base import UNSCORED
from tests.data.oracle import every_part, load

made = load.__wrapped__  # without a cache

TASKS = [
    n
    for n in registry.part_names("data")
    if registry.built_in("data", n) and issubclass(registry.load_part("data", n), Task)
]


def test_all_synthetic_tasks_are_tested() -> None:
    made_up = {"order", "lag", "copy", "reverse", "sort", "parity", "addition", "recall", "trigger"}
    assert made_up | {"markov", "majority", "dyck", "listops", "tree"} == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_items_depend_only_on_the_seed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_task, "HELD_OUT", 32)  # making 256 items for each part takes most of the time
    one, other = made(name), made(name, seed=1)
    few, many = made(name, size=20), made(name, size=60)
    assert one is not many and one == many and one.train != other.train  # 60 is the size of the first as well
    assert many.train.tokens[:20] == few.train.tokens and many.test == few.test
    same, different = (registry.build_part("data", name, size=60, seed=s).fingerprint() for s in (0, 1))
    assert registry.build_part("data", name, size=60).fingerprint() == same != different


@pytest.mark.parametrize("name", TASKS)
def test_parts_are_separate_well_formed_and_of_the_announced_lengths(name: str) -> None:
    loaded = load(name, longest=2)
    task = registry.build_part("data", name, size=60, longest=2)
    trained = task.train_len
    half = [trained * 3 // 2] if isinstance(task, Rewrite) else []
    assert [n for n, _ in loaded.longer] == [trained // 2, trained, *half, 2 * trained]
    assert len(loaded.test) == len(loaded.val) == HELD_OUT and len(loaded.train) == 60
    assert loaded.test == dict(loaded.longer)[trained] and loaded.train != loaded.val
    for part in every_part(loaded):
        assert max(map(len, part.tokens)) <= loaded.max_len and min(map(len, part.tokens)) >= 1
        assert {t for row in part.tokens for t in row} <= set(range(1, len(loaded.vocab)))
        assert set(part.answers) <= set(range(len(loaded.classes))) and len(part.answers)
        if loaded.every:
            assert [len(t) * loaded.outputs for t in part.tokens] == [len(t) for t in part.targets]
            assert all(set(row) != {UNSCORED} for row in part.targets)
        for tokens, tree in zip(part.tokens, part.trees, strict=False):
            assert len(tree) == len(tokens) and all(0 <= p <= i for i, p in enumerate(tree))
    longest = dict(loaded.longer)[2 * trained]
    assert max(map(len, longest.tokens)) <= task.tokens_of(2 * trained) == loaded.max_len


@pytest.mark.parametrize("name", TASKS)
def test_the_docstring_has_a_worked_example(name: str) -> None:
    import sys

    doc = sys.modules[registry.load_part("data", name).__module__].__doc__ or ""
    assert "\ninput" in doc and "\nanswer" in doc


@pytest.mark.parametrize("name", TASKS)
def test_the_entropy_is_given_for_every_task_but_two(name: str) -> None:
    entropy = load(name).entropy
    assert (entropy is None) == (name in ("majority", "listops")) or entropy is not None
    assert entropy is None or (0 <= entropy < math.log(len(load(name).classes)))


@pytest.mark.parametrize("name", TASKS)
def test_a_known_source_gives_the_log_probability_of_each_target_of_every_test_part(name: str) -> None:
    loaded = load(name)
    assert not loaded.train.log_probs and not loaded.val.log_probs
    for part in (loaded.test, *(part for _, part in loaded.longer)):
        if loaded.entropy is None:
            assert part.source_loss is None
            continue
        asked = part.targets or tuple((label,) for label in part.labels)
        assert [len(row) for row in part.log_probs] == [len(row) for row in asked]
        pairs = [pair for row in zip(part.log_probs, asked, strict=True) for pair in zip(*row, strict=True)]
        assert all(p == 0.0 for p, target in pairs if target < 0)
        assert part.source_loss == 0.0 if loaded.entropy == 0.0 else part.source_loss is not None


OFTEN = ("order", "markov", "listops", "recall")  # one answer, a known source, trees, an answer at each token


@pytest.mark.parametrize("name", [x if x in OFTEN else pytest.param(x, marks=pytest.mark.slow) for x in TASKS])
def test_noise_replaces_only_answers_of_training_and_validation(name: str) -> None:
    clean, some = (load(name, noise=noise, size=300) for noise in (0.0, 0.2))
    more, few = (load(name, noise=noise, size=size, longest=1) for noise, size in ((0.6, 300), (0.2, 60)))
    assert some.test == clean.test and some.longer == clean.longer and some.entropy == clean.entropy
    for part in ("train", "val"):
        right, said, worse = (getattr(loaded, part) for loaded in (clean, some, more))
        assert (said.tokens, said.trees) == (right.tokens, right.trees)
        rows = [x.targets or tuple((label,) for label in x.labels) for x in (right, said, worse)]
        each = [(a, b, c) for three in zip(*rows, strict=True) for a, b, c in zip(*three, strict=True)]
        assert all(b == c == UNSCORED for a, b, c in each if a == UNSCORED)
        scored = [(a, b, c) for a, b, c in each if a != UNSCORED]
        assert all(c == b for a, b, c in scored if b != a)  # more noise keeps what less has replaced
        assert {b for _, b, _ in scored} <= set(range(len(clean.classes)))
        for noise, wrong in ((0.2, sum(a != b for a, b, _ in scored)), (0.6, sum(a != c for a, _, c in scored))):
            assert abs(wrong / len(scored) - noise) < 3.5 * (noise * (1 - noise) / len(scored)) ** 0.5
    assert some.train.only(range(60)) == few.train


SIZES: dict[str, list[dict[str, Any]]] = {
    **{name: [{}] for name in ("addition", "copy", "dyck", "listops", "majority", "order", "parity")},
    **{name: [{}] for name in ("reverse", "sort")},
    "recall": [{"symbols": 80}],
    "tree": [{}],
    "trigger": [{"form": "one"}, {"form": "pair"}],
    "markov": [{"letters": 2, "order": order} for order in (1, 8)],
    "lag": [{"lags": lags} for lags in (1, 8)],
}
BETWEEN: dict[str, list[dict[str, Any]]] = {
    "markov": [{"letters": 2, "order": order} for order in range(2, 8)],
    "lag": [{"lags": lags} for lags in range(2, 8)],
}
LEAST = {"order": 2, "tree": 2, "listops": 4}  # of a length, by what the task is


@pytest.mark.parametrize("name", SIZES)
def test_every_part_of_every_accepted_size_has_answers_to_score(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_sizes(name, SIZES[name], monkeypatch)


@pytest.mark.slow  # the smallest and the largest are enough for every day
@pytest.mark.parametrize("name", BETWEEN)
def test_so_has_every_part_with_the_orders_and_lags_between(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_sizes(name, BETWEEN[name], monkeypatch)


def check_sizes(name: str, sizes: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_task, "HELD_OUT", 4)
    accepted = 0
    for own in sizes:
        for train_len in range(1, 18):
            for longest in (1, 2, 4):
                lengths = [train_len] if longest == 1 else [max(1, train_len // 2), train_len]
                least = max(
                    LEAST.get(name, 1), own.get("order", 1), 2 if "lags" in own or own.get("form") == "pair" else 1
                )
                good = min(lengths) >= least
                good = good and train_len > own.get("lags", 0)
                try:
                    made = registry.build_part("data", name, size=4, train_len=train_len, longest=longest, **own)
                except ValueError as error:
                    assert not good and "data.train_len" in str(error), (own, train_len, longest, error)
                    continue
                assert good, (own, train_len, longest)
                loaded, accepted = made.load(), accepted + 1
                for part in (loaded.train, loaded.val, loaded.test, *(part for _, part in loaded.longer)):
                    asked = [sum(c != -100 for c in row) for row in part.targets] or [1] * len(part.labels)
                    assert min(asked) > 0, (own, train_len, longest)
                if "lags" in own:
                    rows = [row[i :: loaded.outputs] for row in loaded.test.targets for i in range(loaded.outputs)]
                    assert all(any(c != -100 for c in row) for row in rows)
                if name in ("order", "tree", "markov", "lag", "dyck", "parity", "majority", "trigger"):
                    assert all({len(t) for t in part.tokens} == {n} for n, part in loaded.longer)
    assert accepted > 3
