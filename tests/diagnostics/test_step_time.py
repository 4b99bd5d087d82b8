"""Step times are medians of interleaved repeats after warm-ups."""

import statistics
from collections.abc import Callable
from typing import Any

import pytest

from stackcli.diagnostics import step_time
from tests.factory import config, tiny


def test_each_arm_is_warmed_up_and_repeated_and_its_parts_add_up_to_the_step() -> None:
    arms = [step_time.prepare(config(dim=16, heads=2, depth=d, batch=8), tiny()) for d in (1, 2)]
    order: list[int] = []
    for i, arm in enumerate(arms):

        def step(i: int = i, real: Callable[[], None] = arm.step) -> None:
            order.append(i)
            real()

        arm.step = step  # type: ignore[method-assign]
    found = step_time.measure(arms)
    assert step_time.WARMUPS >= 3 and step_time.REPEATS >= 10
    assert len(order) == 2 * (step_time.WARMUPS + step_time.REPEATS)
    pairs = [order[i : i + 2] for i in range(0, len(order), 2)]
    assert all(sorted(pair) == [0, 1] for pair in pairs) and [0, 1] in pairs and [1, 0] in pairs
    for arm, result in zip(arms, found, strict=True):
        assert len(arm.times["step"]) == step_time.REPEATS
        assert result["times"]["step_ms"] == statistics.median(arm.times["step"])
        for step, *three in zip(*(arm.times[k] for k in ("step", "forward", "backward", "update")), strict=True):
            assert abs(step - sum(three)) < 1e-9
        assert result["times"]["step_ms_low"] <= result["times"]["step_ms"] <= result["times"]["step_ms_high"]
        assert {"threads", "allocator", "batch", "length"} <= set(result["machine"])


def test_quartiles_are_those_of_the_recorded_times() -> None:
    import numpy as np

    arm = step_time.prepare(config(dim=16, heads=2, batch=8), tiny())
    (found,) = step_time.measure([arm])
    low, high = np.quantile(arm.times["step"], [0.25, 0.75], method="weibull")
    assert abs(found["times"]["step_ms_low"] - low) < 1e-9 and abs(found["times"]["step_ms_high"] - high) < 1e-9
    for name, values in arm.times.items():
        assert abs(found["times"][f"{name}_ms"] - float(np.median(values))) < 1e-9


def test_blocks_timed_at_different_machine_speeds_are_brought_to_one_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """With simulated times: a step of depth d takes d ms in the first block, and 1.5 times as long in each next one."""
    depths = [2, 1, 3, 5, 4, 9, 7, 6, 8, 10]
    configs = {f"depth {d}": config(dim=8, heads=2, depth=d, batch=8) for d in depths}
    blocks: list[list[int]] = []
    real = step_time.measure

    def measure(arms: Any, **how: Any) -> Any:
        blocks.append(list(dict.fromkeys(arm.config.depth for arm in arms)))
        speed = 1.5 ** (len(blocks) - 1)
        for arm in arms:
            share = {"forward": 0.3, "backward": 0.5, "update": 0.2, "step": 1.0}

            def step(arm: Any = arm, share: Any = share) -> None:
                for name, own in share.items():
                    arm.times[name].append(arm.config.depth * speed * own)

            arm.step = step
        return real(arms, **how)

    monkeypatch.setattr(step_time, "measure", measure)
    found = step_time.measure_blocks(configs, "depth 1", lambda _: tiny())
    assert {key: round(f["times"]["step_ms"], 9) for key, f in found.items()} == {f"depth {d}": d for d in depths}
    assert {key: round(f["times"]["update_ms"], 9) for key, f in found.items()} == {
        f"depth {d}": round(0.2 * d, 9) for d in depths
    }
    assert all(block[0] == 1 and len(block) <= 1 + step_time.BLOCK for block in blocks) and len(blocks) == 3
    later = step_time.measure_blocks({"depth 1": configs["depth 1"], "new": configs["depth 6"]}, "depth 1",
                                  lambda _: tiny(), known=1.0)  # fmt: skip
    assert later["new"]["times"]["step_ms"] == pytest.approx(6) and later["depth 1"]["times"]["step_ms"] == 1.0


def test_a_step_with_adversarial_training_is_timed_with_all_its_passes() -> None:
    arm = step_time.prepare(config(dim=16, heads=2, batch=8, adversarial="pgd"), tiny())
    calls, forward = [], arm.model.forward

    def count(*given: Any, **more: Any) -> Any:
        calls.append(1)
        return forward(*given, **more)

    arm.model.forward = count  # type: ignore[method-assign]
    arm.step()
    assert len(calls) == 4 and min(arm.times["forward"] + arm.times["backward"]) > 0
    assert arm.times["step"][0] == pytest.approx(sum(arm.times[k][0] for k in ("forward", "backward", "update")))
