"""Recorded studies as they lie in experiments/."""

from pathlib import Path

import pytest

from stackcli.config import recorded_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(recorded_settings, "FOLDERS", (tmp_path / "wheel", tmp_path / "checkout"))
    return tmp_path


def write(place: Path, text: str) -> None:
    place.mkdir(parents=True)
    (place / "settings.txt").write_text(text)


def test_a_line_without_a_name_is_one_arm(folder: Path) -> None:
    write(folder / "checkout" / "one", "# a remark\n\ndepth=1,2 data.path='a b.csv'  # another\n")
    assert recorded_settings.read_experiment("one") == {"": ["depth=1,2", "data.path=a b.csv"]}


def test_named_lines_are_arms_and_a_colon_inside_a_setting_names_none(folder: Path) -> None:
    write(folder / "checkout" / "two", "short: depth=1 dim=8\nlong text: depth=2\n")
    write(folder / "checkout" / "path", "data.path=C:/x.csv\n")
    assert recorded_settings.read_experiment("two") == {"short": ["depth=1", "dim=8"], "long text": ["depth=2"]}
    assert recorded_settings.read_experiment("path") == {"": ["data.path=C:/x.csv"]}


def test_the_studies_of_the_wheel_come_first_and_an_unknown_one_is_answered_with_the_names(folder: Path) -> None:
    write(folder / "wheel" / "a", "depth=1\n")
    write(folder / "checkout" / "a", "depth=2\n")
    write(folder / "checkout" / "b", "depth=3\n")
    assert recorded_settings.experiment_names() == ["a", "b"]
    assert recorded_settings.read_experiment("a") == {"": ["depth=1"]}
    with pytest.raises(ValueError, match="--experiment c: no such experiment; choose from a, b"):
        recorded_settings.read_experiment("c")


def test_the_remark_that_a_study_begins_with_describes_it(folder: Path) -> None:
    write(folder / "checkout" / "one", "# What does depth do?\ndepth=1,2\n")
    write(folder / "checkout" / "two", "depth=1,2\n# a later remark\n")
    assert recorded_settings.describe_experiment("one") == "What does depth do?"
    assert recorded_settings.describe_experiment("two") == ""
