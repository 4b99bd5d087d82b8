"""The stored runs as rows of settings and results."""

import time
from pathlib import Path

import pytest

from stackcli.experiment.run_index import read_rows
from stackcli.experiment.store import Store
from tests.experiment.examples import empty_study, publish_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two runs of a study, one of which an older study has as well, and a run of none."""
    place = Store(tmp_path)
    place.create()
    for run in ("one", "two", "alone"):
        publish_run(place, run, test_acc=0.5)
    for name, runs in (("older", ["one"]), ("newer", ["one", "two"])):
        entries = [{"run": run, "point": f"depth={i}"} for i, run in enumerate(runs, start=1)]
        place.save_study(name, {**empty_study(), "runs": entries})
        time.sleep(0.02)
    return place


def test_a_run_names_its_studies_and_its_point_in_the_newest(store: Store) -> None:
    rows = {row["run"]: row for row in read_rows(store)}
    assert rows["one"]["studies"] == ["newer", "older"] and rows["one"]["point"] == "depth=1"
    assert rows["two"]["studies"] == ["newer"] and rows["two"]["point"] == "depth=2"
    assert rows["alone"]["studies"] == [] and rows["alone"]["point"] == ""


def test_a_row_has_every_setting_and_every_number_of_the_result(store: Store) -> None:
    for row in read_rows(store):
        assert row.items() >= store.config(row["run"]).flat().items()
        assert row["test_acc"] == 0.5 and row["status"] == "done" and row["edited"] == []
