"""A small study, trained once for all tests of the functions."""

from pathlib import Path
from typing import Any

import pytest

import stackcli as sa
from tests.helpers import load_workers, write_data

TINY: dict[str, Any] = {"dim": 8, "heads": 2, "ff": 1, "steps": 4, "batch": 8}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    write_data(folder / "t.csv")
    return folder


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study of a test measures no step times, during which it would sleep for 0.6 s; the shared study does."""
    monkeypatch.setattr("stackcli.experiment.timing_pass.time_steps", lambda *_: None)


@pytest.fixture(scope="session")
def settings(place: Path) -> dict[str, Any]:
    """Settings of a run that takes a second."""
    return {"data": "csv", "data.path": place / "t.csv", **TINY}


@pytest.fixture(scope="session")
def study(place: Path, settings: dict[str, Any]) -> sa.Study:
    load_workers()
    return sa.sweep(out=place / "outputs", quiet=True, depth=[1, 2], seeds=3, **settings)
