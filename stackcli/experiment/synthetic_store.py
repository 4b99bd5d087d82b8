"""Stores of made-up runs with the files of real ones, published in milliseconds each: for measurements of the store."""

import contextlib
import hashlib
import math
import os
import platform
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stackcli.common.records import LayerRow, Result, StackRow, StepRow
from stackcli.config import grid
from stackcli.config.settings import Config, Options
from stackcli.experiment import plan
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms, study_record, with_statuses

LARGE, SMALL = "large", "small"  # names of the studies
SWEPT = ("data=majority", "depth=1,2,4,8", "pe=none,learned,sinusoidal,rope,alibi", "lr=1e-4,3e-4,1e-3,3e-3,1e-2")
POINTS = 100  # of the large study
FEW = ("data=majority", "depth=1,2,4,8", "lr=1e-3", "seeds=5", "keep=none")  # the small study: 20 runs of one encoding
STEPS = 9  # rows of a curve
TENSORS = ("q", "k", "v", "o", "ff1", "ff2")


def large_words(runs: int) -> list[str]:
    """Returns the settings of the large study, of about so many runs: 100 points and as many seeds as it needs."""
    return [*SWEPT, "keep=none", f"seeds={max(1, runs // POINTS)}"]


def build_store(root: Path, runs: int) -> Store:
    """Publishes about so many made-up runs, one study of all of them and one of 20. Nothing is trained; the settings,
    the ids and the facts of the data are real, so that `large_words` finds every run finished."""
    store = Store(root)
    store.create()
    with without_flushing():
        for name, words in ((LARGE, large_words(runs)), (SMALL, list(FEW))):
            publish_study(store, name, words)
    return store


@contextlib.contextmanager
def without_flushing() -> Iterator[None]:
    """Inside the block nothing waits for the disk: made-up runs need not survive a crash."""
    before = os.fsync
    os.fsync = lambda _: None  # type: ignore[assignment]
    try:
        yield
    finally:
        os.fsync = before


def publish_study(store: Store, name: str, words: Sequence[str]) -> None:
    """Publishes the runs of these settings that the store lacks, and the study."""
    arms = Arms.of_grid(grid.parse_grid(words))
    planned = plan.plan(arms.configs, store)
    plan.keep_facts(planned, store)
    study = study_record(arms, planned, Options(command="sweep", out=store.root))
    for job in planned.todo:
        content = made_up_run(job.run, job.config, planned.facts[job.config.data])
        store.publish(job.run, config=job.config, reproduce=job.reproduce, **content)
    store.save_study(name, with_statuses(study, {}, store))
    keys = {entry["timing"]: entry["settings"]["depth"] for entry in study["runs"]}
    store.save_timings(name, {key: made_up_times(depth, reference=next(iter(keys))) for key, depth in keys.items()})


def made_up_run(run: str, config: Config, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `Store.publish` writes of a run: made-up numbers that depend on its id alone."""
    draw = random.Random(run)
    curve = list(made_up_curve(config, draw))
    ended = {"seconds": round(draw.uniform(5, 60), 3), "finished": "2026-01-01T00:00:00Z"}
    return {
        "result": made_up_result(config, curve[-1], facts, draw),
        "curve": curve,
        "layers": list(made_up_layers(config, curve, draw)),
        "stack": list(made_up_stack(config, draw)),
        "position": made_up_tables(config, draw),
        "words": {"vocab": [str(i) for i in range(facts["vocab"])], "classes": facts["classes"], "max_len": 16},
        "weights": None,
        "provenance": {**ended, "torch": version("torch"), "system": platform.system()},
    }


def made_up_curve(config: Config, draw: random.Random) -> Iterator[StepRow]:
    """Yields losses that fall towards a floor that depends on the settings."""
    floor = 0.2 + 0.1 * abs(math.log10(config.lr) + 3) + 0.02 * config.depth
    for i in range(STEPS + 1):
        train = floor + math.exp(-i / 3) + draw.gauss(0, 0.02)
        acc = min(1.0, max(0.0, 1 - train / 2))
        loss = train + 0.05 * i / STEPS
        yield StepRow(
            step=i * 10,
            epoch=i / 2,
            lr=config.lr,
            train_loss=train,
            train_acc=acc,
            val_loss=loss,
            val_acc=acc * 0.9,
        )


def made_up_layers(config: Config, curve: Sequence[StepRow], draw: random.Random) -> Iterator[LayerRow]:
    """Yields rows of every layer at the first, a middle and the last step."""
    for row in (curve[0], curve[len(curve) // 2], curve[-1]):
        for layer in range(1, config.depth + 1):
            norm = math.exp(draw.gauss(-2, 0.3)) / layer
            for tensor in TENSORS:
                made = LayerRow(step=row.step, layer=layer, tensor=tensor, g1=norm, g2=norm / 16, g3=norm * 0.8)
                yield replace(made, align=1.25, update=None if row.step == 0 else norm / 100)
            shown = {"cosine": draw.random(), "rank": draw.random(), "signal": 1 + draw.random(), "ratio_qv": norm}
            yield LayerRow(step=row.step, layer=layer, tensor="block", g4=norm / 4, **shown)
            for head in range(2):
                yield LayerRow(
                    step=row.step, layer=layer, tensor=f"head{head}", entropy=2 + draw.random(), even=math.log(32)
                )


def made_up_stack(config: Config, draw: random.Random) -> Iterator[StackRow]:
    """Yields a row for the input and each layer."""
    for layer in range(config.depth + 1):
        scores = {key: draw.random() for key in ("probe_acc", "lens_acc", "lens_loss", "position_acc")}
        without = {} if layer == 0 else {"without_acc": draw.random(), "without_loss": draw.random()}
        cka = tuple(1.0 if i == layer else round(draw.random(), 6) for i in range(config.depth + 1))
        yield StackRow(layer=layer, cka=cka, **scores, **without)


def made_up_tables(config: Config, draw: random.Random) -> list[dict[str, Any]]:
    """Returns the position tables of a trained encoding, 16 positions of 8 numbers."""
    if config.pe.name != "learned":
        return []
    first = [[round(draw.gauss(0, 0.05), 6) for _ in range(8)] for _ in range(16)]
    last = [[round(value + draw.gauss(0, 0.02), 6) for value in row] for row in first]
    at = list(range(16))
    before = {"name": "table at initialisation", "at": at, "rows": first, "reach": [1 - i / 16 for i in at]}
    return [before, {"name": "table", "at": at, "rows": last}]


def made_up_result(config: Config, last: StepRow, facts: Mapping[str, Any], draw: random.Random) -> Result:
    """Returns a result with every number that a run of this kind has."""
    items, classes = facts["sizes"]["test"], tuple(facts["classes"])
    right = "".join("1" if draw.random() < last.val_acc else "0" for _ in range(items))
    acc = right.count("1") / items
    gaps = {"gap_end": last.val_loss - last.train_loss, "acc_gap_end": last.train_acc - last.val_acc}
    scores: dict[str, Any] = {key: getattr(last, key) for key in ("train_loss", "train_acc", "val_loss", "val_acc")}
    scores |= {"test_loss": last.val_loss, "test_acc": acc}
    ends: dict[str, Any] = {**gaps, **{f"{key}_end": value for key, value in scores.items()}}
    each = items // len(classes)
    confusion = tuple(tuple(each if i == j else 1 for j in range(len(classes))) for i in range(len(classes)))
    return Result(
        status="done",
        step_end=last.step,
        step_best=last.step,
        **scores,
        **ends,
        gap_best=gaps["gap_end"],
        acc_gap_best=gaps["acc_gap_end"],
        test_acc_shuffled=acc / 2,
        test_acc_reversed=acc / 2,
        test_right=right,
        macro_f1=acc,
        grad_ratio_init=draw.uniform(0.5, 2),
        grad_ratio_end=draw.uniform(0.5, 2),
        free_ratio_init=draw.uniform(0.5, 2),
        free_ratio_end=draw.uniform(0.5, 2),
        params=1000 * config.depth,
        params_embedding=500,
        flops=4000 * config.depth,
        flops_len=16,
        kernel_used="fused",
        classes=classes,
        acc_by_class=(acc,) * len(classes),
        confusion=confusion,
        weights_hash=hashlib.sha256(right.encode()).hexdigest(),
    )


def made_up_times(depth: int, *, reference: str) -> dict[str, Any]:
    """Returns the step times of an architecture, as the timing pass of this machine would store them."""
    names = {"forward_ms": 2.0, "backward_ms": 3.0, "update_ms": 1.0, "step_ms": 6.0}
    times: dict[str, float] = {key: value * depth for key, value in names.items()}
    times |= {"step_ms_low": 5.5 * depth, "step_ms_high": 6.5 * depth}
    here = {"cores": os.cpu_count(), "system": platform.system(), "torch": version("torch")}
    machine: dict[str, Any] = {
        "processor": platform.machine(),
        **here,
        "threads": 1,
        "device": "cpu",
        "allocator": "system",
    }
    machine |= {"batch": 32, "length": 16, "warmups": 3, "repeats": 10, "scale": 1.0, "loads": [0.0, 0.0]}
    return {"times": times, "machine": machine, "reference": reference}
