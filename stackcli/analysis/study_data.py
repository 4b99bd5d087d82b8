"""A study as DataFrames, the only input of tables, statistics, findings and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def _nothing() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame()


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The runs of a study and their measurements.

    `runs`: a row for each run: `run` (id), `arm` (name of the arm in an experiment, else ""), `point` (the swept values
    as text, "depth=4 pe=learned"; the arm's name in an experiment), `status` (done, diverged, failed, lost, missing),
    every setting by the name a user types (`depth`, `pe`, `pe.clip`, `seed`, ...), every field of `records.Result`
    (missing numbers are NaN), `seconds` (wall time of the training), and per architecture, measured after the
    runs: `step_ms`, `forward_ms`, `backward_ms`, `update_ms` (medians), `step_ms_low`, `step_ms_high` (quartiles).
    `curve`: `run`, `arm`, `point`, `seed`, the axes, and the fields of `records.StepRow`.
    `layers`: the same columns, and the fields of `records.LayerRow`.
    `stack`: the same columns, and the fields of `records.StackRow`; empty if no run has any.
    `position_tables`: reads what `position` returns, and is called once.
    `position`: the position tables, a row for each: `run`, `point`, `seed`, the axes, `tensor` ("table", "keys 1", ...,
    and before training "table at initialisation", ...), `at`, an array (n,) of positions, or of offsets if the encoding
    is relative, `values`, an array (n, dimensions), and in those before training `reach`, an array (n,): the share of
    training sequences that have the position or offset. In long form tables of a thousand runs would take gigabytes.
    `score_tables`: reads what `scores` and `heads` return, and is called once.
    `scores`: with --explain a row for each run and method of explanation: `run`, `arm`, `point`, `seed`, `status`, the
    axes, `method`, `control` (whether it is an explanation of a model whose truth is known), and the scores that
    `experiment.explanation_pass.summarise_explanations` describes; `heads`: a row for each run, `layer` and `head`.
    `attack_rows`: reads what `attacks` returns, and is called once.
    `attacks`: with --attack a row for each run, attack and budget: `run`, `arm`, `point`, `seed`, `status`, the axes,
    and the columns that `experiment.attack_scores.attack_rows` describes.
    `axes`: the swept settings in the order typed, `seed` left out; empty for a single run. `("arm",)` in an experiment.
    `match`: if dim and ff were chosen so that every depth costs the same, `by` (params, flops) and the `depth` that
    keeps the settings as typed. `chosen`: settings that were chosen for each point and are not axes.
    `overrides`: the settings as typed, with the axes; in an experiment a line for each arm, `ARM: WORDS`.
    `known`: in a study of remedies, facts of the original study: `found` (affected point -> finding -> k, n and whether
    it is about the values tried), `seeds` (affected point -> its seeds) and `reached` (data -> the train loss that
    counts as learnt); else empty.
    `facts`: one `records.Facts` as a dict for each data set, by the column `facts` of `runs` (or `data` without it).
    """

    study: str
    command: str  # train, sweep, ablate-depth, compare-pe, remedies, probe, search, halving (search with short runs)
    axes: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    runs: pd.DataFrame
    curve: pd.DataFrame
    layers: pd.DataFrame
    position_tables: Callable[[], pd.DataFrame] = _nothing
    score_tables: Callable[[], tuple[pd.DataFrame, pd.DataFrame]] = lambda: (_nothing(), _nothing())
    attack_rows: Callable[[], pd.DataFrame] = _nothing
    stack: pd.DataFrame = field(default_factory=_nothing)
    match: dict[str, Any] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
    known: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, dict[str, object]] = field(default_factory=dict)
    machine: dict[str, object] = field(default_factory=dict)  # of the timing pass: processor, threads, loads, allocator

    @cached_property
    def position(self) -> pd.DataFrame:
        """The trained position tables. They are read when a figure asks for them, as they are most of a run's text."""
        return self.position_tables()

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The scores of explanations; empty without any."""
        return self._score_tables[0]

    @cached_property
    def heads(self) -> pd.DataFrame:
        """What each head looks at; empty without explanations."""
        return self._score_tables[1]

    @cached_property
    def attacks(self) -> pd.DataFrame:
        """What each attack does at each budget; empty where no run was attacked."""
        return self.attack_rows()

    @cached_property
    def _score_tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self.score_tables()

    def facts_of(self, runs: pd.DataFrame) -> dict[str, Any]:
        """Returns the facts of the data of these runs; empty unless they share one data set."""
        names = runs["facts" if "facts" in runs else "data"].unique()
        return dict(self.facts.get(str(names[0]), {})) if len(names) == 1 else {}
