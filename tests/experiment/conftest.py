"""Fixtures that several test files of this folder share."""

from pathlib import Path

import pytest

from stackcli.experiment import trained_run
from tests.experiment.examples import Said, Tool, search_words
from tests.helpers import stackattn, words, write_data


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


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with a trained classifier of two classes, and the file of its texts."""
    folder = tmp_path_factory.mktemp("classifier")
    data = write_data(folder / "d.csv")
    assert stackattn("train", *words(data, "steps=60", "lr=0.01"), cwd=folder).returncode == 0
    return folder / "outputs", data


@pytest.fixture(scope="session")
def opened(classifier: tuple[Path, Path]) -> trained_run.Run:
    """The same classifier, ready to be explained."""
    (stored,) = (classifier[0] / "runs").iterdir()
    return trained_run.open_run(classifier[0], stored.name)
