"""Runs that share a process in turn: the bytes of each are those that it has in a process of its own."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.config import grid
from stackcli.experiment import plan
from stackcli.experiment.plan import Job
from stackcli.experiment.store import Store
from stackcli.experiment.worker import preload, run_job
from stackcli.launcher.local import Local
from tests.factory import part
from tests.helpers import results, words, write_data

DIVERGES = ("lr=1e9", "clip=0", "norm=none")
KINDS = (
    ("dropout=0.2", "pe=learned", "depth=3", "layer_drop=0.3"),
    ("threads=2", "pe=t5", "batch=4"),
    ("attention_dropout=0.2", "pe=rope", "attention=sink"),
    ("norm=batch", "word_dropout=0.2", "pe=cope"),
    ("adversarial=fgm", "residual=admin"),
    ("distill=defensive", "dropout=0.1"),
    DIVERGES,
    ("precision=bf16", "causal=true", "attention=window"),
    ("accumulate=2", "share_layers=true", "pe=fire"),
    ("attention=blocks", "init=orthogonal", "pe=conv"),
    (),
)


def jobs_of(data: Path, kinds: Sequence[Sequence[str]], store: Store) -> list[Job]:
    """A run of each kind, in this order."""
    store.create()
    configs = [c for more in kinds for c in grid.parse_grid([*words(data, *more), "seeds=1"]).configs]
    found = {job.run: job for job in plan.with_data(plan.plan(configs, store))}
    return [found[run] for run in plan.plan(configs, store).ids]


def train(jobs: Sequence[Job], *, shared: bool) -> tuple[dict[str, bytes], int]:
    """Trains runs one after another; returns (their files, the number of processes)."""
    executor = Local(workers=1, preload=preload())
    executor.brief = math.inf if shared else 0.0  # the machine may be busy
    outcomes = list(executor.run(run_job, jobs))
    assert sum(outcome.state == "done" for outcome in outcomes) == len(jobs)
    told = [outcome.detail for outcome in outcomes if outcome.state == "progress"]
    return results(jobs[0].store), len({detail["pid"] for detail in told if isinstance(detail, dict)})


@pytest.mark.parametrize("kinds", [KINDS[:3], pytest.param(KINDS, marks=pytest.mark.slow)], ids=["some", "all"])
def test_a_run_has_the_same_bytes_alone_and_after_any_others_in_its_process(
    kinds: Sequence[Sequence[str]], tmp_path: Path
) -> None:
    data = write_data(tmp_path / "d.csv")
    alone, own = train(jobs_of(data, kinds, Store(tmp_path / "alone")), shared=False)
    forwards, one = train(jobs_of(data, kinds, Store(tmp_path / "forwards")), shared=True)
    backwards, only = train(jobs_of(data, kinds, Store(tmp_path / "backwards"))[::-1], shared=True)
    assert (own, one, only) == (len(kinds), 1, 1)
    assert len(alone) >= 6 * len(kinds) and forwards == alone and backwards == alone
    diverged = sum(b'"diverged"' in content for name, content in alone.items() if name.endswith("result.json"))
    assert diverged == (DIVERGES in kinds)


def test_only_runs_that_leave_nothing_behind_share_a_process(tmp_path: Path) -> None:
    (job,) = plan.plan(
        grid.parse_grid([*words(write_data(tmp_path / "d.csv")), "seeds=1"]).configs, Store(tmp_path / "s")
    ).todo
    changes: list[dict[str, Any]] = [
        {"device": "cuda"},
        {"devices": 2},
        {"compile": True},
        {"pe": part("mine")},
        {"attention": part("full", layers="full,mine")},
    ]
    assert job.shares and replace(job, config=replace(job.config, compile="auto")).shares
    assert [replace(job, config=replace(job.config, **change)).shares for change in changes] == [False] * 5
