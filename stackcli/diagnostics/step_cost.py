"""Measures what one training step costs at a length: its parts in time, its peak memory, and what can be counted.

A point is a stack and a length. Its sequences are random tokens without padding, with one answer for each sequence.
Times are milliseconds for a batch: inference (a forward pass without gradients), forward, backward, update (clipping
and AdamW) and step (the last three).
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from stackcli.common.seeding import address, generator
from stackcli.diagnostics import peak_memory
from stackcli.diagnostics.cost_counts import CLASSES, Point, count_costs
from stackcli.diagnostics.step_time import Arm
from stackcli.model import cost
from stackcli.model.batch import Batch
from stackcli.model.build import build, profile
from stackcli.model.kernel_choice import choose_kernels
from stackcli.training.accelerator import compile_blocks, mixed_precision
from stackcli.training.evaluation import forward_loss
from stackcli.training.optimizer import optimizer

VOCAB = 256  # of the random tokens
SHORT = 8  # tokens of the step that loads code and makes AdamW's moments before the memory of a step is measured
WARMUPS, LEAST, MOST = 2, 5, 25  # turns that are discarded; turns that count
SLOW, FEW = 2.0, 3  # from so many seconds of a turn on, so few turns are enough
PARTS = ("inference", "forward", "backward", "update", "step")


def build_point(point: Point) -> Arm:
    """Builds the stack and a random batch. Raises ValueError for sizes that do not fit together."""
    config = point.config
    model = build(config, vocab=VOCAB, classes=CLASSES, max_len=point.max_len).to(config.device).train()
    choose_kernels(model, config, point.length)
    draw = torch.Generator().manual_seed(address(config.seed, "cost", point.length))
    tokens = torch.randint(1, VOCAB, (config.batch, point.length), generator=draw)
    batch = Batch(tokens.to(config.device), torch.arange(config.batch, device=config.device) % CLASSES, None)
    profile(model, shorten(batch))
    compile_blocks(model, config, config.steps)
    times: dict[str, list[float]] = {name: [] for name in PARTS}
    return Arm(config, model, batch, optimizer(model, config), times)


def shorten(batch: Batch) -> Batch:
    """Returns the first tokens of a batch."""
    return Batch(batch.tokens[:, :SHORT], batch.labels, None)


def infer(arm: Arm) -> None:
    """Takes a forward pass in eval mode without gradients, and appends its time to `inference`."""
    arm.model.eval()
    start = _now(arm.config.device)
    with torch.no_grad(), mixed_precision(arm.config):
        forward_loss(arm.model, arm.batch)
    arm.times["inference"].append(1e3 * (_now(arm.config.device) - start))
    arm.model.train()


def _now(device: str) -> float:
    """Returns the seconds of the clock, once the device has done its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


class Request(NamedTuple):
    """A point to measure, and the bytes that it may use."""

    point: Point
    free: float


def measure_memory(request: Request, say: Any = None, stop: Any = None) -> dict[str, Any]:
    """Counts the costs of a point and measures the peak memory of its step in this process, which should have done
    nothing else; a job of a launcher. Returns `status`: done, or why there is no measurement ("needs memory", "out of
    memory"); `memory` in bytes and `method`; `seconds` of the step; `params`; and the counted costs."""
    point, config = request.point, request.point.config
    torch.set_num_threads(config.threads)
    peak_memory.return_freed_memory()
    if config.device == "cpu":
        peak_memory.limit_memory(request.free)
    out: dict[str, Any] = {"status": "out of memory", "free": request.free}
    try:
        out |= count_costs(point)
        if out["needed"] > request.free:
            return {**out, "status": "needs memory"}
        arm = build_point(point)
        out["params"] = cost.count(arm.model)[0]
        whole, arm.batch = arm.batch, shorten(arm.batch)
        arm.step()
        arm.optimizer.zero_grad()
        arm.batch = whole
        out["memory"], out["method"] = peak_memory.measure_peak(arm.step, config.device)
        out["seconds"] = arm.times["step"][-1] / 1e3
    except (MemoryError, RuntimeError) as error:
        if not peak_memory.is_out_of_memory(error):
            raise
        return out
    return {**out, "status": "done"}


class Timing(NamedTuple):
    """Points to time together, about how many seconds that may take, and the bytes that may be used."""

    points: tuple[Point, ...]
    budget: float
    free: float


def plan_repeats(seconds: Sequence[float], budget: float) -> list[int]:
    """Returns how often each point is measured, given the seconds of a turn: as often as its share of the budget
    allows, at most MOST times and at least LEAST times, or FEW where a turn is slow."""
    share = budget / max(1, len(seconds))
    return [int(min(MOST, max(FEW if s > SLOW else LEAST, share / max(s, 1e-9)))) for s in seconds]


def measure_times(job: Timing, say: Callable[[Any], None], stop: Callable[[], bool]) -> list[dict[str, Any]]:
    """Times points in turns in this process; a job of a launcher. A turn is a forward pass in eval mode and a training
    step. The first turns are discarded. The points of a round are in random order, and the repeats of a slow point are
    spread over all rounds, so that a drift of the machine's speed affects all alike. Reports the rows so far after each
    round; returns a row for each point, see `summarise_times`."""
    if all(point.config.device == "cpu" for point in job.points):
        peak_memory.limit_memory(job.free)
    arms, lost = [build_point(point) for point in job.points], set[int]()
    seconds = [0.0] * len(arms)  # of the last turn
    draw, repeats, rounds, turn = generator("cost", "order"), [1] * len(arms), 1, -WARMUPS
    while turn < rounds:
        for i in map(int, draw.permutation(len(arms))):
            due = turn >= 0 and (turn + 1) * repeats[i] // rounds > turn * repeats[i] // rounds
            if stop():
                return summarise_times(arms, lost)
            if i in lost or not (due or turn == -WARMUPS or (turn < 0 and seconds[i] < SLOW)):
                continue
            start = time.perf_counter()
            if not take_turn(arms[i], keep=turn >= 0):
                lost.add(i)
            seconds[i] = time.perf_counter() - start
        turn += 1
        if turn == 0:
            repeats = plan_repeats(seconds, job.budget)
            rounds = max(repeats, default=0)
        say(summarise_times(arms, lost))
    return summarise_times(arms, lost)


def take_turn(arm: Arm, *, keep: bool) -> bool:
    """Measures a point once; returns False where memory was not enough."""
    torch.set_num_threads(arm.config.threads)
    try:
        infer(arm)
        arm.step()
    except (MemoryError, RuntimeError) as error:
        if not peak_memory.is_out_of_memory(error):
            raise
        arm.optimizer.zero_grad()
        return False
    if not keep:
        arm.times = {name: [] for name in arm.times}
    return True


def summarise_times(arms: Sequence[Arm], lost: set[int]) -> list[dict[str, Any]]:
    """Returns for each point `repeats`, the medians `inference_ms`, ..., `step_ms`, and their quartiles
    `step_ms_low`, `step_ms_high`, ...; `status` "out of memory" for a point that memory was not enough for."""
    out: list[dict[str, Any]] = []
    for i, arm in enumerate(arms):
        row: dict[str, Any] = {"repeats": len(arm.times["step"])}
        for name, values in arm.times.items():
            if values:
                low, high = np.quantile(values, (0.25, 0.75))
                middle = statistics.median(values)
                row |= {f"{name}_ms": middle, f"{name}_ms_low": float(low), f"{name}_ms_high": float(high)}
        out.append(row | ({"status": "out of memory"} if i in lost else {}))
    return out
