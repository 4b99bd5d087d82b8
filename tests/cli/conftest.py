"""A trained run that the tests of several commands read."""

import json
from pathlib import Path

import pytest

from tests.helpers import stackattn, words, write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A folder in which a classifier of two classes was trained, with its figures. Tests do not change it."""
    folder = tmp_path_factory.mktemp("trained")
    done = stackattn(
        "train", *words(data, "steps=60", "lr=0.01"), "--json", "--figures", "svg", cwd=folder, figures=True
    )
    assert done.returncode == 0, done.stderr
    assert [row["kind"] for row in json.loads(done.stdout)] == ["study", "baseline", "baseline"]
    return folder
