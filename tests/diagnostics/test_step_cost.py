"""A point is measured in turns with the others, its memory in a process of its own; too large a point is a row."""

import statistics
from typing import Any

import numpy as np
import pytest
import torch

from stackcli.diagnostics import cost_counts, peak_memory, step_cost
from stackcli.diagnostics.cost_counts import Point
from stackcli.diagnostics.step_cost import Request, Timing
from stackcli.diagnostics.step_time import Arm
from stackcli.launcher.local import Local
from stackcli.training.evaluation import forward_loss
from tests.factory import config
from tests.helpers import load_workers

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 2, "pe": "none", "depth": 1}
FREE = 4e9


def point(length: int = 12, **changes: Any) -> Point:
    return Point(config(**{**SMALL, **changes}), length, 64)


def never() -> bool:
    return False


def test_a_point_has_random_tokens_without_padding_and_positions_for_the_longest_length() -> None:
    arm = step_cost.build_point(point(12, pe="learned", batch=3))
    tokens = arm.batch.tokens
    assert tokens.shape == (3, 12) and arm.batch.mask is None and arm.model.training
    assert int(tokens.min()) >= 1 and int(tokens.max()) < step_cost.VOCAB and len(set(tokens.flatten().tolist())) > 10
    assert torch.equal(tokens, step_cost.build_point(point(12, pe="learned", batch=3)).batch.tokens)
    table = next(p for name, p in arm.model.named_parameters() if name.startswith("pe."))
    assert table.shape == (64, 16)
    assert step_cost.shorten(arm.batch).tokens.shape == (3, step_cost.SHORT)


def test_inference_is_a_forward_pass_in_eval_mode_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    arm, modes, real = step_cost.build_point(point()), list[tuple[bool, bool]](), forward_loss

    def look(model: Any, batch: Any) -> Any:
        modes.append((model.training, torch.is_grad_enabled()))
        return real(model, batch)

    monkeypatch.setattr(step_cost, "forward_loss", look)
    before = {k: v.clone() for k, v in arm.model.state_dict().items()}
    step_cost.infer(arm)
    assert modes == [(False, False)] and arm.model.training
    assert all(torch.equal(v, before[k]) for k, v in arm.model.state_dict().items())
    assert len(arm.times["inference"]) == 1 and arm.times["step"] == []
    arm.step()
    assert any(not torch.equal(v, before[k]) for k, v in arm.model.state_dict().items())


@pytest.mark.parametrize(
    "seconds,budget,expected",
    [
        ([0.01, 0.1, 1.0, 5.0], 8.0, [25, 20, 5, 3]),  # 2 s each: as often as they allow, within the bounds
        ([0.4], 4.0, [10]),
        ([], 4.0, []),
    ],
)
def test_repeats_follow_the_budget_within_their_bounds(
    seconds: list[float], budget: float, expected: list[int]
) -> None:
    assert step_cost.plan_repeats(seconds, budget) == expected
    assert step_cost.LEAST >= 5 and step_cost.FEW >= 3


def simulate(monkeypatch: pytest.MonkeyPatch, repeats: list[int]) -> list[int]:
    """Points whose times are simulated, with the repeats that are asked; returns the lengths in the order measured."""
    order: list[int] = []

    def infer(arm: Arm) -> None:
        order.append(arm.batch.tokens.shape[1])
        arm.times["inference"].append(float(len(order)))

    def step(self: Arm) -> None:
        for name in ("forward", "backward", "update", "step"):
            self.times[name].append(float(len(order)))

    monkeypatch.setattr(step_cost, "infer", infer)
    monkeypatch.setattr(Arm, "step", step)
    monkeypatch.setattr(peak_memory, "limit_memory", lambda more: None)  # of the process of the tests
    monkeypatch.setattr(step_cost, "plan_repeats", lambda seconds, budget: repeats)
    return order


def test_points_are_measured_in_turns_after_turns_that_are_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    order, reports = simulate(monkeypatch, [8, 4, 4]), list[Any]()
    rows = step_cost.measure_times(Timing((point(3), point(5), point(7)), 1.0, FREE), reports.append, never)
    warm, counted = order[: 3 * step_cost.WARMUPS], order[3 * step_cost.WARMUPS :]
    assert sorted(warm) == sorted([3, 5, 7] * step_cost.WARMUPS)
    assert [row["repeats"] for row in rows] == [8, 4, 4] and len(counted) == 16
    thirds = [counted.index(n) for n in (5, 7)] + [len(counted) - 1 - counted[::-1].index(n) for n in (5, 7)]
    assert max(thirds[:2]) < 6 and min(thirds[2:]) > 10  # the repeats of the others are spread over all rounds
    for row, n in zip(rows, (3, 5, 7), strict=True):
        times = [i + 1.0 for i, length in enumerate(order) if length == n][step_cost.WARMUPS :]
        assert row["step_ms"] == statistics.median(times)
        assert (row["step_ms_low"], row["step_ms_high"]) == tuple(np.quantile(times, (0.25, 0.75)))
    assert len(reports) == step_cost.WARMUPS + 8 and reports[-1] == rows and reports[0][0]["repeats"] == 0


def test_the_order_of_the_points_differs_from_round_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    order = simulate(monkeypatch, [8, 8, 8])
    step_cost.measure_times(Timing((point(3), point(5), point(7)), 1.0, FREE), lambda _: None, never)
    rounds = [tuple(order[i : i + 3]) for i in range(0, len(order), 3)]
    assert {tuple(sorted(each)) for each in rounds} == {(3, 5, 7)} and len(set(rounds)) > 2


def test_a_stop_ends_the_turns_and_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    order = simulate(monkeypatch, [10, 10])
    rows = step_cost.measure_times(Timing((point(3), point(5)), 1.0, FREE), lambda _: None, lambda: len(order) >= 10)
    assert len(order) == 10 and sum(row["repeats"] for row in rows) == 10 - 2 * step_cost.WARMUPS


def test_a_point_that_runs_out_of_memory_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, [4, 4])
    real = step_cost.infer

    def fail(arm: Arm) -> None:
        if arm.batch.tokens.shape[1] == 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        real(arm)

    monkeypatch.setattr(step_cost, "infer", fail)
    rows = step_cost.measure_times(Timing((point(3), point(5)), 1.0, FREE), lambda _: None, never)
    assert rows[0]["repeats"] == 4 and "status" not in rows[0]
    assert rows[1] == {"repeats": 0, "status": "out of memory"}
    monkeypatch.setattr(step_cost, "infer", lambda arm: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        step_cost.measure_times(Timing((point(3),), 1.0, FREE), lambda _: None, never)


def run(work: Any, request: Request) -> dict[str, Any]:
    load_workers()
    (outcome,) = [o for o in Local(workers=1, preload=()).run(work, [request]) if o.state != "started"]
    assert outcome.state == "done", outcome.detail
    return dict(outcome.detail)


def underestimate(request: Request, say: Any, stop: Any) -> dict[str, Any]:
    """Measures a point that is taken to need nothing, as an estimate may be wrong."""
    real = cost_counts.count_exactly
    cost_counts.count_exactly = lambda point: {**real(point), "needed": 0.0}
    return step_cost.measure_memory(request)


LARGE = Point(config(**{**SMALL, "kernel": "explicit", "heads": 4, "batch": 4}), 1200, 1200)  # scores of 176 MiB


def test_the_memory_of_a_step_holds_the_scores_that_the_explicit_kernel_keeps() -> None:
    found = run(step_cost.measure_memory, Request(LARGE, FREE))
    assert found["status"] == "done" and found["score_bytes"] == 4 * 4 * 1200**2 * 8
    assert found["memory"] == pytest.approx(found["needed"], rel=0.2) and found["seconds"] > 0
    assert found["memory"] > found["score_bytes"]
    assert found["params"] == sum(p.numel() for p in step_cost.build_point(LARGE).model.parameters())


def test_a_point_that_needs_more_than_is_free_is_not_run() -> None:
    found = run(step_cost.measure_memory, Request(LARGE, 50e6))
    assert found["status"] == "needs memory" and "memory" not in found and found["needed"] > 50e6


def test_a_point_that_takes_more_than_is_free_is_out_of_memory() -> None:
    found = run(underestimate, Request(LARGE, 100e6))
    assert found["status"] == "out of memory" and "memory" not in found and found["flops"] > 0
