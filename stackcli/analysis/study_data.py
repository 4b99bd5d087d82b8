"""A study as DataFrames: all that tables, statistics, findings and figures ever see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def _nothing() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame()


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The runs of a study, a row a run, and their long frames.

    `runs`: `run` (id), `arm` (name of the arm in an experiment, else ""), `point` (the swept values as text, "depth=4
    pe=learned"; the arm's name in an experiment), `status` (done, diverged, failed, lost, missing), every setting by
    the name a user types (`depth`, `pe`, `pe.clip`, `seed`, ...), every field of `records.Result` (missing numbers are
    NaN), `seconds` (wall time of the training), and per architecture, measured alone on the machine: `step_ms`,
    `forward_ms`, `backward_ms`, `update_ms` (medians), `step_ms_low`, `step_ms_high` (quartiles).
    `curve`: `run`, `arm`, `point`, `seed`, the axes, and the fields of `records.StepRow`.
    `layers`: the same head, and the fields of `records.LayerRow`.
    `stack`: the same head, and the fields of `records.StackRow`; empty where runs have none.
    `position`: the trained position tables, a row a table: `run`, `point`, `seed`, the axes, `tensor` ("table",
    "keys 1", ...), `at`, an array (n,) of positions, or of offsets where the encoding is relative, and `values`, an
    array (n, dimensions): as long frames the tables of a thousand runs would take gigabytes.
    `axes`: the swept settings in the order typed, `seed` left out; empty for a single run. `("arm",)` in an experiment.
    `match`: where dim and ff were chosen so that every depth costs the same, `by` (params, flops) and the `depth` with
    the settings as typed. `chosen`: settings that were chosen for each point and are no axes.
    `overrides`: the settings as typed, axes among them; in an experiment a line an arm, `ARM: WORDS`.
    `known`: of a study of remedies, `found` (affected point -> finding -> k, n and whether it is of the values tried),
    `seeds` (affected point -> the seeds on which that was) and
    `reached` (data -> the train loss that counts as learnt), both of the study whose findings they treat; else empty.
    `facts`: one `records.Facts` as a dict for each data set; the column `facts` of `runs` says which (where it is
    missing, `data` does).
    """

    study: str
    command: str  # train, sweep, ablate-depth, compare-pe, remedies, probe, search (halving where it cut runs short)
    axes: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    runs: pd.DataFrame
    curve: pd.DataFrame
    layers: pd.DataFrame
    position: pd.DataFrame
    stack: pd.DataFrame = field(default_factory=_nothing)
    match: dict[str, Any] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
    known: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, dict[str, object]] = field(default_factory=dict)
    machine: dict[str, object] = field(default_factory=dict)  # of the timing pass: processor, threads, load, allocator

    def facts_of(self, runs: pd.DataFrame) -> dict[str, Any]:
        """What is known of the data of these runs; nothing where they do not share one data set."""
        names = runs["facts" if "facts" in runs else "data"].unique()
        return dict(self.facts.get(str(names[0]), {})) if len(names) == 1 else {}
