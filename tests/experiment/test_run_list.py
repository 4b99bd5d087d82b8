"""The stored runs as rows."""

import io
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stackcli.experiment import run_list
from stackcli.experiment.store import Store
from tests.experiment.examples import store_with_two_studies


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_with_two_studies(tmp_path)


def test_a_run_names_its_studies_and_its_point_in_the_newest(store: Store) -> None:
    rows = {row["run"]: row for row in run_list.list_runs(store)}
    assert rows["one"]["studies"] == ["newer", "older"] and rows["one"]["point"] == "depth=1"
    assert rows["two"]["studies"] == ["newer"] and rows["two"]["point"] == "depth=2"
    assert rows["alone"]["studies"] == [] and rows["alone"]["point"] == ""


def test_the_table_has_a_head_and_the_settings_that_differ(store: Store) -> None:
    head, *lines = run_list.table_lines(list(run_list.list_runs(store)))
    assert head.split() == ["run", "study", "age", "status", "acc", "settings"]
    found = {line.split()[0]: line for line in lines}
    assert found["two"].split()[1] == "newer" and found["two"].endswith("depth=2 seed=0")
    assert found["alone"].split()[1] == "-" and "data=" in found["alone"] and "depth=" in found["alone"]
    assert all(line.index("0.500") == head.index("acc") for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_of_a_terminal_keeps_each_run_and_its_settings(store: Store, width: int) -> None:
    out = io.StringIO()
    Console(width=width, file=out).print(run_list.runs_table(list(run_list.list_runs(store))))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width and "data=" in text
    assert {"one", "two", "alone", "depth=1", "depth=2", "seed=0"} <= set(text.split())
    assert ("newer" in text) != ("not shown at this width: study" in text or "study" in text.partition("shown")[2])


@pytest.mark.parametrize(("ago", "said"), [(5, "5s"), (61, "1m"), (7200, "2h"), (3 * 86400 + 5, "3d")])
def test_an_age_has_one_unit(ago: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0 + ago)
    assert run_list.describe_age("2001-09-09T01:46:40Z") == said
    assert run_list.describe_age(None) == ""


def test_a_long_name_is_cut_in_the_middle() -> None:
    name: Any = "sweep-" + "x" * 40 + "-1234567"
    assert len(run_list.fit_name(name)) == 24 and run_list.fit_name(name).endswith("1234567")
    assert run_list.fit_name("short") == "short"
