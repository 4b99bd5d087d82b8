"""Measures the step time of architectures, one process after all runs and never in the workers of a sweep.

Architectures are timed in blocks of a few, each block together with one shared reference architecture, so that only one
block is in memory. The architectures of a block are warmed up, then repeated in interleaved random order, so that a
drift of the machine's speed affects all of them equally. The times of different blocks are made comparable by the time
of the reference in each. An architecture that is added later is timed with the same reference; the other times stay.
Times are milliseconds for one batch: forward, backward, update (clipping and optimiser), step (all three).
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stackcli.common.seeding import generator
from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.model.batch import Batch
from stackcli.model.build import build_for
from stackcli.model.stack import StackedAttention
from stackcli.training.accelerator import compile_blocks, mixed_precision
from stackcli.training.adversarial_step import add_gradients, build_adversarial
from stackcli.training.batching import Padded
from stackcli.training.evaluation import forward_loss
from stackcli.training.optimizer import FlatAdamW, optimizer, planned_steps

WARMUPS, REPEATS = 3, 10
BLOCK = 4  # architectures timed together with the reference


@dataclass
class Arm:
    """One architecture being timed, and its times so far in milliseconds."""

    config: Config
    model: StackedAttention
    batch: Batch
    optimizer: FlatAdamW
    times: dict[str, list[float]] = field(
        default_factory=lambda: {"forward": [], "backward": [], "update": [], "step": []}
    )

    def __post_init__(self) -> None:
        self.adversarial = build_adversarial(self.config)

    def step(self) -> None:
        """Takes one training step and appends its three parts to `times`. With adversarial training, `forward` is that
        of all passes, and `backward` everything else before the update."""
        device, forward = self.config.device, list[tuple[Any, Any]]()

        def loss(batch: Batch) -> Tensor:
            began = _mark(device)
            with mixed_precision(self.config):
                found = forward_loss(self.model, batch)
            forward.append((began, _mark(device)))
            return found

        start = _mark(device)
        self.optimizer.zero_grad()
        add_gradients(self.adversarial, self.model, self.batch, loss)
        passed = _mark(device)
        if self.config.clip:
            self.optimizer.clip_gradients(self.config.clip)
        self.optimizer.step()
        end = _mark(device)
        if device == "cuda":
            torch.cuda.synchronize()
        self.times["forward"].append(sum(_between(a, b) for a, b in forward))
        self.times["backward"].append(_between(start, passed) - self.times["forward"][-1])
        self.times["update"].append(_between(passed, end))
        self.times["step"].append(_between(start, end))


def _mark(device: str) -> Any:
    """Marks a moment: on CUDA by an event in the queue, without waiting; elsewhere by the clock after synchronising."""
    if device == "cuda":
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event
    if device == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def _between(a: Any, b: Any) -> float:
    """Returns the milliseconds between two moments; CUDA events must be complete."""
    return float((b - a) * 1e3) if isinstance(a, float) else float(a.elapsed_time(b))


def prepare(config: Config, loaded: Loaded) -> Arm:
    """Builds the model of a config and the batch of median length for timing it."""
    model = build_for(config, loaded)
    model = model.to(config.device).train()
    compile_blocks(model, config, planned_steps(config, len(loaded.train)))
    train = Padded(
        loaded.train,
        max_len=loaded.max_len,
        device=config.device,
        masked=config.mask == "padding",
        outputs=loaded.outputs,
    )
    middle = np.argsort(train.lengths, kind="stable")
    start = max(0, len(middle) // 2 - config.batch // 2)
    batch = train.cut(middle[start : start + config.batch], full=config.pad == "max")
    return Arm(config, model, batch, optimizer(model, config))


def measure(
    arms: Sequence[Arm],
    *,
    warmups: int = WARMUPS,
    repeats: int = REPEATS,
    names: tuple[str | int, ...] = ("timing",),
) -> list[dict[str, Any]]:
    """Returns for each arm its `times` (medians `step_ms`, `forward_ms`, ..., quartiles `step_ms_low`, `step_ms_high`)
    and its `machine`; `names`: the seed address of the random order. Raises ValueError for fewer than 3 warm-ups or
    10 repeats."""
    draw = generator(*names)
    if warmups < WARMUPS or repeats < REPEATS:
        raise ValueError(f"{warmups} warm-ups and {repeats} repeats; at least {WARMUPS} and {REPEATS} are needed")
    before = torch.get_num_threads()
    try:
        for round_number in range(warmups + repeats):
            for i in draw.permutation(len(arms)):
                torch.set_num_threads(arms[i].config.threads)
                arms[i].step()
                if round_number < warmups:
                    arms[i].times = {name: [] for name in arms[i].times}
    finally:
        torch.set_num_threads(before)
    return [{"times": _medians(arm.times), "machine": machine(arm, warmups)} for arm in arms]


def measure_blocks(
    configs: Mapping[str, Config],
    reference: str,
    load: Callable[[Config], Loaded],
    known: float | None = None,
    say: Callable[[int], None] = lambda measured: None,
) -> dict[str, dict[str, Any]]:
    """Measures architectures in blocks and returns the results of `measure` on one scale. `reference`: the key of the
    shared architecture; `known`: its step time in milliseconds in an earlier pass, which sets the scale; without it the
    first block does. `say`: told how many are measured after each block."""
    others, out = [key for key in configs if key != reference], {}
    blocks = [others[i : i + BLOCK] for i in range(0, len(others), BLOCK)] or [[]]
    for number, block in enumerate(blocks):
        first, *rest = (prepare(configs[key], load(configs[key])) for key in (reference, *block))
        arms = [first] * max(1, len(rest)) + rest  # as often as all others: its noise is in every result
        keys = [reference] * max(1, len(rest)) + block
        found = dict(zip(keys, measure(arms, names=("timing", number)), strict=True))
        own = found[reference]["times"]["step_ms"]
        known = own if known is None else known
        for key in found if number == 0 else block:
            out[key] = scale_times(found[key], known / own)
        say(len(out))
    return out


def scale_times(found: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Multiplies the times of an architecture by a factor, which is stored as `scale`."""
    times = {name: value * factor for name, value in found["times"].items()}
    return {"times": times, "machine": {**found["machine"], "scale": round(factor, 4)}}


def _medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    out = {f"{name}_ms": statistics.median(values) for name, values in times.items()}
    low, _, high = statistics.quantiles(times["step"], n=4)
    return {**out, "step_ms_low": low, "step_ms_high": high}


def machine(arm: Arm, warmups: int) -> dict[str, Any]:
    """Returns what a time depends on besides the architecture, and nothing else of the environment."""
    allocator = {k: os.environ[k] for k in ("MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_") if k in os.environ}
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "torch": version("torch"),
        "threads": arm.config.threads,
        "device": arm.config.device,
        "allocator": ("LD_PRELOAD set" if os.environ.get("LD_PRELOAD") else "system")
        + "".join(f", {k}={v}" for k, v in sorted(allocator.items())),
        "batch": arm.config.batch,
        "length": int(arm.batch.tokens.shape[1]),
        "warmups": warmups,
        "repeats": len(arm.times["step"]),
    }
