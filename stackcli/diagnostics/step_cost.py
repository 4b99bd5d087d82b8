"""Measures what one training step costs at a length: its parts in time, its peak memory, and what can be counted.

A point is a stack and a length. Its sequences are random tokens without padding, with one answer for each sequence.
Times are milliseconds for a batch: inference (a forward pass without gradients), forward, backward, update (clipping
and AdamW) and step (the last three).
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from stackcli.attention.base import Pattern
from stackcli.common import registry
from stackcli.common.seeding import address, generator
from stackcli.config.settings import Config
from stackcli.config.validation import attention_bytes, stack_bytes
from stackcli.diagnostics import peak_memory
from stackcli.diagnostics.step_time import Arm
from stackcli.model import cost
from stackcli.model.batch import Batch
from stackcli.model.build import build, build_pattern, makers, profile
from stackcli.pe.base import PositionEncoding, Work
from stackcli.training.evaluation import forward_loss
from stackcli.training.optimizer import optimizer

VOCAB, CLASSES = 256, 4  # of the random tokens, and of their answers
SHORT = 8  # tokens of the step that loads code and makes AdamW's moments before the memory of a step is measured
WARMUPS, LEAST, MOST = 2, 5, 25  # turns that are discarded; turns that count
SLOW, FEW = 2.0, 3  # from so many seconds of a turn on, so few turns are enough
PARTS = ("inference", "forward", "backward", "update", "step")


class Point(NamedTuple):
    """A stack, built for `max_len` positions, and the length at which it is measured, in tokens."""

    config: Config
    length: int
    max_len: int


def build_point(point: Point) -> Arm:
    """Builds the stack and a random batch. Raises ValueError for sizes that do not fit together."""
    config = point.config
    model = build(config, vocab=VOCAB, classes=CLASSES, max_len=point.max_len).to(config.device).train()
    draw = torch.Generator().manual_seed(address(config.seed, "cost", point.length))
    tokens = torch.randint(1, VOCAB, (config.batch, point.length), generator=draw)
    batch = Batch(tokens.to(config.device), torch.arange(config.batch, device=config.device) % CLASSES, None)
    profile(model, shorten(batch))
    times: dict[str, list[float]] = {name: [] for name in PARTS}
    return Arm(config, model, batch, optimizer(model, config), times)


def shorten(batch: Batch) -> Batch:
    """Returns the first tokens of a batch."""
    return Batch(batch.tokens[:, :SHORT], batch.labels, None)


def infer(arm: Arm) -> None:
    """Takes a forward pass in eval mode without gradients, and appends its time to `inference`."""
    arm.model.eval()
    start = _now(arm.config.device)
    with torch.no_grad():
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


# ---- what is counted


def count_costs(point: Point) -> dict[str, Any]:
    """Returns closed forms: `flops` of a forward pass of the batch, `score_bytes` of scores and attention weights if
    all were kept (NaN for a kind without scores), the `kernel`, and `needed`, about the bytes that a step takes."""
    config, n = point.config, point.length
    own = owns_encoding(config)
    encoding = makers(config, point.max_len).encoding(int(own))
    pattern, work = build_pattern(config, 1, point.max_len), cost.attention_work(config, n)
    flops = cost.closed_flops(config, encoding, own=own, length=n, out=CLASSES, every=False)
    fused = config.kernel == "auto" and encoding.fused and pattern.fused
    return {
        "flops": config.batch * flops,
        "score_bytes": float(attention_bytes(config, n, work.scores)) if pattern.scored else math.nan,
        "kernel": "fused" if fused else "explicit",
        "needed": needed_bytes(point, encoding, pattern, work, fused=fused),
    }


def owns_encoding(config: Config) -> bool:
    """Whether every block has an encoding of its own."""
    kind = registry.load_part("pe", config.pe.name)
    return bool(config.pe.options.get("layers", "own" if kind.per_layer else "shared") == "own")


def needed_bytes(point: Point, encoding: PositionEncoding, pattern: Pattern, work: Work, *, fused: bool) -> float:
    """Returns about the bytes that a step takes: weights, optimiser and activations; the rows that a sparse kind
    gathers; and scores, or the masks that the fused kernel is given in their place, a float and a truth value each."""
    config = point.config
    plain = {key: getattr(config, key) for key in ("depth", "dim", "ff", "batch")}
    tables = 16 * sum(p.numel() for p in (*encoding.parameters(), *pattern.parameters()))
    each = 4 * config.batch * config.dim * config.depth  # bytes of a vector for each row in every block
    rest = stack_bytes(plain, point.length) + tables
    if not pattern.scored:
        return rest + 6 * point.length * each
    rest += 0 if work.dense else (work.queries + 2 * work.keys) * each
    biased = type(encoding).bias is not PositionEncoding.bias
    if not fused:
        copies = 1 + 0.5 * biased + 1.5 * (not pattern.fused)
        return rest + copies * attention_bytes(config, point.length, work.scores)
    masked = biased or not work.dense or type(pattern).sees is not Pattern.sees
    heads = config.heads if biased else 1
    return rest + 5 * work.scores * config.batch * config.depth * heads * masked


# ---- what is measured


class Request(NamedTuple):
    """A point to measure; `free`: the bytes that it may use; `run`: whether to run it, or only to count."""

    point: Point
    free: float
    run: bool


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
        if not request.run:
            return {**out, "status": "counted"}
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
