"""The command: the same numbers whatever the number of workers, tables, files, and what is wrong said beforehand."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from stackcli.analysis import tables
from stackcli.analysis.study_data import Frames
from stackcli.common import registry
from stackcli.config.grid import parse_grid
from stackcli.diagnostics import initialisation
from stackcli.experiment import initial_probe, initial_probe_report
from stackcli.experiment.study import Arms
from stackcli.figures import base
from stackcli.launcher.base import Executor, Outcome, Work
from stackcli.launcher.local import Local
from tests.experiment import deadly_jobs
from tests.helpers import stackattn

TINY = ("data=lag", "data.train_len=6", "data.longest=1", "data.size=40", "causal=true", "dim=8", "heads=2", "ff=1")
SMALL = (*TINY, "data.lags=5")
WORDS = (*TINY, "batch=8", "depth=1,2,3", "residual=pre,none", "seeds=2", "data.lags=2")


def arms(*words: str) -> Arms:
    return Arms.of_grid(parse_grid(words))


def frames(given: Arms, name: str = "probe") -> Frames:
    """Looked at in this process."""
    loaded = initial_probe.read_probe_rows(given.configs)
    return initial_probe.build_frames(
        name, given, {i: initialisation.measure(c, loaded[c.data]) for i, c in enumerate(given.configs)}
    )


def test_workers_change_no_number_and_nothing_is_trained(tmp_path: Path) -> None:
    done = stackattn("probe", *WORDS, "-j", "2", "--figures", "none", cwd=tmp_path, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 and "12 stacks" in done.stderr
    assert "expected to train" in done.stdout and "slope" in done.stdout
    (folder,) = (tmp_path / "outputs" / "probes").iterdir()
    assert {p.name for p in folder.iterdir()} == {"table.csv", "slopes.csv", "runs.csv", "layers.csv"}
    assert not (tmp_path / "outputs" / "runs").exists() and not (tmp_path / "outputs" / "studies").exists()
    here_ = frames(arms(*WORDS))
    assert (folder / "runs.csv").read_text() == tables.to_csv(here_.runs)
    assert (folder / "layers.csv").read_text() == tables.to_csv(here_.layers)


def test_the_table_has_the_means_over_seeds_and_what_to_expect() -> None:
    seen = frames(arms(*WORDS))
    table = initial_probe_report.summarise_stacks(seen)
    assert list(table["residual"]) == ["pre"] * 3 + ["none"] * 3 and list(table["depth"]) == [1, 2, 3] * 2
    mine = seen.runs.query("residual == 'none' and depth == 3")
    row = table.iloc[5]
    assert row["free_ratio_init"] == pytest.approx(mine["free_ratio_init"].prod() ** 0.5)  # geometric
    assert row["cosine"] == pytest.approx(mine["cosine"].mean())
    healthy = replace(seen, runs=seen.runs.assign(apart=0.3, step_ratio=1.0, free_ratio_init=1.0, entropy=0.9))
    healthy.runs.loc[mine.index[0], "apart"] = 0.001
    table = initial_probe_report.summarise_stacks(healthy)
    assert list(table["expected"]) == [True] * 5 + [False]
    rows = json.loads(tables.to_json(table))
    assert len(rows) == 6 and rows[0]["expected"] is True and rows[5]["depth"] == 3


def test_a_stack_that_is_not_finite_is_a_result_and_in_no_mean() -> None:
    seen = frames(arms(*WORDS))
    seen.runs["finite"] = seen.runs["finite"].astype(object)
    at = seen.runs.query("residual == 'pre' and depth == 2 and seed == 1").index
    seen.runs.loc[at, ["finite", "status", "update"]] = [False, "diverged", float("inf")]
    row = initial_probe_report.summarise_stacks(seen).query("residual == 'pre' and depth == 2").iloc[0]
    kept = seen.runs.query("residual == 'pre' and depth == 2 and seed == 0").iloc[0]
    assert (row["done"], row["planned"], row["expected"]) == (1, 2, False)
    assert row["update"] == pytest.approx(kept["update"])
    assert any("not finite" in text for text in initial_probe_report.describe_probe(seen, pd.DataFrame()))


def test_an_arm_of_an_experiment_is_a_scheme_whose_depths_are_told_apart() -> None:
    grids = {
        "a": parse_grid((*SMALL, "batch=8", "depth=2,4", "seeds=1")),
        "b": parse_grid((*SMALL, "batch=8", "depth=2", "seeds=1")),
    }
    given = Arms.of_experiment(grids, ())
    assert initial_probe.swept_axes(given) == ("arm", "depth")
    assert list(frames(given).runs["point"]) == ["arm=a depth=2", "arm=a depth=4", "arm=b depth=2"]


def test_what_is_read_back_has_an_arm_s_numbers_seed_by_seed(tmp_path: Path) -> None:
    (tmp_path / "slopes.csv").write_text("arm,seed,slope_free,order\na,0,-0.5,1\na,1,-0.4,1\n")
    runs = initial_probe_report.read_probe(tmp_path).runs
    assert list(runs["slope_free"]) == [-0.5, -0.4] and set(runs["status"]) == {"done"}


def test_every_figure_of_a_probe_is_one() -> None:
    assert set(initial_probe_report.FIGURES) <= set(base.figure_names())


class InThisProcess(Executor):
    """An executor that starts no process."""

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        for i, job in enumerate(jobs):
            yield Outcome(i, "started")
            try:
                yield Outcome(i, "done", work(job, lambda _: None, lambda: False))
            except RuntimeError as error:
                yield Outcome(i, "failed", f"Traceback\nRuntimeError: {error}\n")

    def warm(self) -> None:
        pass

    def stop(self, *, now: bool = False) -> None:
        pass


def fail_at_depth_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(c: Any, loaded: Any) -> initialisation.Start:
        if c.depth == 2:
            raise RuntimeError("no memory")
        return real(c, loaded)

    real = initialisation.measure
    monkeypatch.setattr(initialisation, "measure", measure)


def test_a_stack_that_fails_is_named_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at_depth_2(monkeypatch)
    given = arms(*SMALL, "batch=8", "depth=1,2,3", "seeds=1")
    loaded = initial_probe.read_probe_rows(given.configs)
    last = dict(initial_probe.probe_stacks(given.configs, loaded, InThisProcess()))
    assert list(last) == [2, 1, 0]  # the deepest first
    assert (last[1].state, last[1].detail) == ("failed", "RuntimeError: no memory")
    starts = {i: outcome.detail if outcome.state == "done" else None for i, outcome in last.items()}
    seen = initial_probe.build_frames("x", given, starts)
    assert list(seen.runs["status"]) == ["done", "failed", "done"] and set(seen.layers["depth"]) == {1, 3}
    assert list(initial_probe_report.summarise_stacks(seen)["done"]) == [1, 0, 1]


def test_a_data_set_is_read_once_and_only_its_probe_is_kept() -> None:
    given = arms(*WORDS)
    ((_, kept),) = initial_probe.read_probe_rows(given.configs).items()
    whole = registry.build_part("data", "lag", **given.configs[0].data.options).load()
    assert len(kept.train) == 32 < len(whole.train) and kept.max_len == whole.max_len


def test_exponents_of_several_axes_hide_a_column_and_fold_no_word() -> None:
    each = [(i, r, s) for i in ("default", "orthogonal") for r in ("pre", "deepnorm") for s in (0, 1, 2)]
    slopes = pd.DataFrame(each, columns=["init", "residual", "seed"])
    for name in ("slope_plain", "slope_free", "slope_update", "order"):
        slopes[name] = -0.4 + 0.3 * slopes["seed"]
    slopes = slopes.assign(theory=-0.5, order_theory=1.0)
    narrow, wide = Console(width=80, file=io.StringIO()), Console(width=200, file=io.StringIO())
    narrow.print(initial_probe_report.render_slopes(slopes, ["depth", "init", "residual"]))
    wide.print(initial_probe_report.render_slopes(slopes, ["depth", "init", "residual"]))
    small, whole = narrow.file.getvalue(), wide.file.getvalue()  # type: ignore[attr-defined]
    assert all(word in small for word in ("orthogonal", "deepnorm", "not shown at this width: slope_plain"))
    assert "G1" in whole and "not shown" not in whole and max(map(len, small.splitlines())) <= 80


def test_a_process_that_dies_loses_its_own_stack_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initial_probe, "measure_stack", deadly_jobs.measure_or_die)
    given = arms(*TINY, "data.lags=2", "batch=8", "depth=1,2,3", "seeds=2").configs
    loaded = dict.fromkeys((c.data for c in given), str(tmp_path))
    last = dict(initial_probe.probe_stacks(given, loaded, Local(workers=2, preload=())))
    lost = last.pop(given.index(next(c for c in given if (c.depth, c.seed) == (2, 0))))
    assert (lost.state, lost.detail) == ("lost", "its process died (exit code -9)")
    assert all((o.state, o.detail) == ("done", (given[i].depth, given[i].seed)) for i, o in last.items())
    assert len(last) == 5


def test_the_command_names_a_stack_that_failed_and_reports_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at_depth_2(monkeypatch)
    monkeypatch.setattr(initial_probe, "Local", lambda **_: InThisProcess())
    words = ["probe", *TINY, "data.lags=2", "batch=8", "depth=1,2", "residual=pre", "seeds=1"]
    words += ["--figures", "none"]
    done = stackattn(*words, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "[1/2] depth=2 residual=pre seed=0: FAILED: RuntimeError: no memory" in done.stderr
    (runs,) = tmp_path.rglob("runs.csv")
    assert list(pd.read_csv(runs)["status"]) == ["done", "failed"]
