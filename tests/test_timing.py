"""Times are medians of interleaved repeats after warm-ups."""

import statistics

from stackcli import timing
from tests.factory import config, tiny


def test_each_arm_is_warmed_up_and_repeated_and_its_parts_make_the_step() -> None:
    arms = [timing.prepare(config(dim=16, heads=2, depth=d, batch=8), tiny()) for d in (1, 2)]
    order: list[int] = []
    for i, arm in enumerate(arms):
        real = arm.step
        arm.step = lambda i=i, real=real: (order.append(i), real())[1]  # type: ignore[method-assign, misc]
    found = timing.measure(arms)
    assert timing.WARMUPS >= 3 and timing.REPEATS >= 10
    assert len(order) == 2 * (timing.WARMUPS + timing.REPEATS)
    pairs = [order[i : i + 2] for i in range(0, len(order), 2)]
    assert all(sorted(pair) == [0, 1] for pair in pairs) and [0, 1] in pairs and [1, 0] in pairs
    for arm, result in zip(arms, found, strict=True):
        assert len(arm.times["step"]) == timing.REPEATS
        assert result["times"]["step_ms"] == statistics.median(arm.times["step"])
        for step, *three in zip(*(arm.times[k] for k in ("step", "forward", "backward", "update")), strict=True):
            assert abs(step - sum(three)) < 1e-9
        assert result["times"]["step_ms_low"] <= result["times"]["step_ms"] <= result["times"]["step_ms_high"]
        assert {"threads", "load", "allocator", "batch", "length"} <= set(result["machine"])


def test_quartiles_are_those_of_the_recorded_times() -> None:
    import numpy as np

    arm = timing.prepare(config(dim=16, heads=2, batch=8), tiny())
    (found,) = timing.measure([arm])
    low, high = np.quantile(arm.times["step"], [0.25, 0.75], method="weibull")
    assert abs(found["times"]["step_ms_low"] - low) < 1e-9 and abs(found["times"]["step_ms_high"] - high) < 1e-9
    for name, values in arm.times.items():
        assert abs(found["times"][f"{name}_ms"] - float(np.median(values))) < 1e-9
