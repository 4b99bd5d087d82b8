"""About how long runs take."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.config.settings import Config, Part
from stackcli.diagnostics import step_estimate
from stackcli.experiment import run_time
from stackcli.experiment.plan import estimate
from stackcli.experiment.run_time import Record
from stackcli.experiment.store import Store
from tests.experiment.examples import default_config, publish_run

EXAMPLES = 1824  # 57 batches of 32


def record(seconds: float, **changes: object) -> Record:
    return Record(replace(default_config(), **changes), seconds, EXAMPLES)  # type: ignore[arg-type]


def deeper(depth: int) -> Config:
    return replace(default_config(), depth=depth, seed=7)


def test_a_run_takes_as_long_as_one_that_differs_in_its_seed() -> None:
    records = [record(10.0, depth=2), record(14.0, depth=2, seed=1), record(99.0, depth=4)]
    assert run_time.seconds_like(deeper(2), records) == pytest.approx(12.0)


def test_another_depth_is_scaled_by_the_work_from_the_nearest_depth() -> None:
    records = [record(10.0, depth=2), record(99.0, depth=8)]
    scale = estimate(deeper(3), EXAMPLES) / estimate(deeper(2), EXAMPLES)
    assert run_time.seconds_like(deeper(3), records) == pytest.approx(10 * scale)


def test_a_run_with_the_same_encoding_is_nearer_than_one_of_the_same_depth() -> None:
    other = Part(name="relative")
    records = [record(10.0, depth=2, pe=other), record(8.0, depth=4)]
    scale = estimate(deeper(2), EXAMPLES) / estimate(deeper(4), EXAMPLES)
    assert run_time.seconds_like(deeper(2), records) == pytest.approx(8 * scale)


def test_other_data_and_another_device_say_nothing() -> None:
    others: Sequence[dict[str, object]] = ({"data": Part(name="digits")}, {"device": "cuda"}, {"threads": 2})
    for other in others:
        assert run_time.seconds_like(deeper(2), [record(10.0, **other)]) is None, other


def test_steps_are_compared_with_epochs_only_where_the_examples_are_known() -> None:
    of_steps = Record(replace(default_config(), steps=100), 10.0, 0)
    assert run_time.seconds_like(deeper(2), [of_steps]) is None
    twice = replace(deeper(2), steps=200)
    scale = estimate(twice, 0) / estimate(of_steps.config, 0)
    assert run_time.seconds_like(twice, [of_steps]) == pytest.approx(10 * scale)


def test_records_are_read_from_a_store_and_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    assert run_time.read_records(store) == []
    store.create()
    publish_run(store, "a", step_end=456, stopped_early=False)
    publish_run(store, "b", step_end=100, stopped_early=True)
    publish_run(store, "c", status="diverged")
    publish_run(store, "d")
    (store.run("d") / "provenance.json").write_text("{")
    found = run_time.read_records(store)
    assert sorted(r.examples for r in found) == [0, EXAMPLES] and {r.seconds for r in found} == {1.0}


def test_the_time_of_several_runs_is_that_of_the_busiest_worker() -> None:
    """Longest first onto the worker that is free first: 5; 4 and 2 | 3 and 3 | 5 and 1."""
    assert run_time.total_seconds([1, 2, 3, 3, 4, 5], 3) == 6
    assert run_time.total_seconds([1, 2, 3], 1) == 6 and run_time.total_seconds([], 2) == 0


def test_only_runs_that_are_not_stored_take_time() -> None:
    stored = record(10.0)
    new = replace(stored.config, seed=5)
    found = run_time.estimate_from_records([stored.config, new], [stored], jobs=1)
    assert found is not None and found.seconds == pytest.approx(10.0)
    assert run_time.estimate_from_records([stored.config], [stored], jobs=1) is None


def test_many_runs_that_differ_in_the_seed_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of a sweep of ten thousand runs took minutes in a store of hundreds."""
    asked: list[tuple[int, int]] = []

    def count(config: Config, examples: int) -> float:
        asked.append((config.depth, examples))
        return estimate(config, examples)

    monkeypatch.setattr(run_time, "estimate", count)
    records = [record(10.0, depth=2), record(30.0, depth=4), record(14.0, depth=2, lr=0.5)]
    configs = [replace(deeper(depth), seed=seed, keep="none") for depth in (2, 4) for seed in range(1, 101)]
    found = run_time.estimate_from_records([*configs, replace(records[0].config, keep="last")], records, jobs=1)
    assert found is not None and found.seconds == pytest.approx(100 * 12.0 + 100 * 30.0)
    assert len(asked) == len(records) + 2  # each record, and each depth, once


@pytest.mark.parametrize("name", [*run_time.SAME, *run_time.PARTS, *run_time.WORK])
def test_runs_that_differ_in_what_decides_their_time_are_compared_apart(name: str) -> None:
    known = default_config()
    value = getattr(known, name)
    other: Any = Part(name="other") if isinstance(value, Part) else "other" if isinstance(value, str) else value + 1
    assert run_time._compared(known) != run_time._compared(replace(known, **{name: other}))


def test_the_cheapest_and_the_dearest_run_are_measured_and_the_others_lie_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step is measured to take 0.01 s for each block; so do those between, to within the curve."""
    asked: list[int] = []

    def measure(config: Config, loaded: object) -> float:
        asked.append(config.depth)
        return 0.01 * config.depth / run_time.UPDATE / run_time.EVALUATION

    monkeypatch.setattr(step_estimate, "time_passes", measure)
    configs = [replace(default_config(), depth=depth) for depth in (4, 1, 2)]
    data = configs[0].data
    facts = {data: {"sizes": {"train": EXAMPLES}}}
    each = [run_time.estimate_from_steps([c], facts, {data: object}, 1).seconds for c in configs]
    assert each == pytest.approx([456 * 0.04 + 0.5, 456 * 0.01 + 0.5, 456 * 0.02 + 0.5])
    asked.clear()
    total = run_time.estimate_from_steps(configs, facts, {data: object}, 1)
    assert asked == [1, 4] and total.source == "from a few steps"
    assert total.seconds == pytest.approx(sum(each), rel=0.05)


def test_steps_that_would_take_long_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_estimate, "time_passes", lambda *_: pytest.fail("a step was measured"))
    big = replace(default_config(), depth=100)
    facts = {big.data: {"sizes": {"train": EXAMPLES}}}
    found = run_time.estimate_from_steps([big], facts, {big.data: object}, 1)
    assert "from the sizes alone" in str(found) and found.seconds == estimate(big, EXAMPLES)
    on_device = replace(default_config(), device="cuda")
    assert "from the sizes alone" in str(run_time.estimate_from_steps([on_device], facts, {big.data: object}, 1))


def test_a_step_that_fails_leaves_its_error_to_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> float:
        raise RuntimeError("frail")

    monkeypatch.setattr(step_estimate, "time_passes", fail)
    one = default_config()
    facts = {one.data: {"sizes": {"train": EXAMPLES}}}
    assert "from the sizes alone" in str(run_time.estimate_from_steps([one], facts, {one.data: object}, 1))
    assert run_time.is_measurable(one) and not run_time.is_measurable(replace(one, pe=Part(name="mine")))
