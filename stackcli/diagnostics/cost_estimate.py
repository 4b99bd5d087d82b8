"""Estimates before anything is measured: the memory of each point, and how long measuring all of them takes.

The machine's speed is read off a few steps of each stack at its shortest lengths. From there on the time of a step is
taken to grow with the FLOPs of the forward pass.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from stackcli.config.settings import Config
from stackcli.diagnostics.cost_counts import Point, count_costs
from stackcli.diagnostics.step_cost import SLOW, WARMUPS, build_point, plan_repeats, shorten

SECONDS = 1.5  # that the calibration may take
BRIEF = 0.1  # seconds of a step that is expected to be short enough for the calibration
STEPS = 3
START = 0.4  # seconds to start a process and to build a stack, about
TURN = 1.4  # a turn, in steps: it has a forward pass more


def estimate_points(points: Sequence[Point], free: float) -> list[dict[str, Any]]:
    """Returns for each point its counted costs, `status` ("counted", or "needs memory") and about the `seconds` of a
    step."""
    rows = [count_costs(point) for point in points]
    for row in rows:
        row["status"] = "needs memory" if row["needed"] > free else "counted"
    fitting: dict[Config, list[int]] = {}
    for i in sorted(range(len(rows)), key=lambda i: float(rows[i]["flops"])):
        fitting.setdefault(points[i].config, []).extend([i] if rows[i]["status"] == "counted" else [])
    if any(fitting.values()):
        time_step(
            points[next(found[0] for found in fitting.values() if found)]
        )  # loads the code of the optimiser, which takes seconds
    until, known = time.monotonic() + SECONDS, dict[Config, list[tuple[float, float]]]()
    for config, found in fitting.items():
        known[config] = calibrate([points[i] for i in found], [rows[i]["flops"] for i in found], until)
    rates = [seconds / flops for pairs in known.values() for flops, seconds in pairs[-1:]]
    for point, row in zip(points, rows, strict=True):
        row["seconds"] = extrapolate(known[point.config], row["flops"], float(np.mean(rates)) if rates else 0.0)
    return rows


def calibrate(points: Sequence[Point], flops: Sequence[float], until: float) -> list[tuple[float, float]]:
    """Returns (FLOPs, seconds) of a step at the first point and at the last one that should be brief; fewer when the
    clock has passed `until`."""
    if not points or time.monotonic() > until:
        return []
    first = (flops[0], time_step(points[0]))
    brief = [i for i in range(1, len(points)) if first[1] * flops[i] / flops[0] < BRIEF]
    if not brief or time.monotonic() > until:
        return [first]
    return [first, (flops[brief[-1]], time_step(points[brief[-1]]))]


def time_step(point: Point) -> float:
    """Returns the seconds of a training step, the shortest of STEPS, after a step on a few tokens."""
    torch.set_num_threads(point.config.threads)
    arm = build_point(point)
    whole, arm.batch = arm.batch, shorten(arm.batch)
    arm.step()
    arm.batch = whole
    for _ in range(STEPS):
        arm.step()
    return min(arm.times["step"][1:]) / 1e3


def extrapolate(known: Sequence[tuple[float, float]], flops: float, rate: float) -> float:
    """Returns about the seconds of a step with so many FLOPs, from known (FLOPs, seconds) in rising order: along the
    line through two of them, in proportion to one; without any, from the seconds for each FLOP, `rate`."""
    if not known:
        return rate * flops
    (f, t), *more = known
    slope = max(0.0, (more[0][1] - t) / (more[0][0] - f)) if more and more[0][0] > f else t / f
    return max(t, t + slope * (flops - f))


def estimate_total(seconds: Sequence[float], budget: float) -> float:
    """Returns about the seconds that measuring takes, from those of a step of each point: the memory of each in its own
    process, the turns that are discarded, and those that count."""
    turns = [TURN * s for s in seconds]
    discarded = [1 if turn > SLOW else WARMUPS for turn in turns]
    each = zip(seconds, turns, discarded, plan_repeats(turns, budget), strict=True)
    return sum(START + 2 * s + turn * (first + repeats) for s, turn, first, repeats in each)
