"""Fixtures that several test files of this folder share."""

from pathlib import Path

import pytest

from tests.experiment.examples import Said, Tool, search_words
from tests.helpers import write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of sixty short texts in two classes."""
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


@pytest.fixture(scope="session")
def searched(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """A search of twelve trials at random, none of which is trained."""
    return Tool(tmp_path_factory.mktemp("searched"))(*search_words(data))
