"""From the words of a command to the runs that it trains."""

from pathlib import Path

import pytest

from stackcli.cli import study_command
from stackcli.config import recorded_settings
from tests.helpers import stackattn

TINY = ("dim=8", "heads=2", "steps=1")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recorded studies in place of the package's own."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    monkeypatch.setattr(recorded_settings, "FOLDERS", (folder,))
    return folder


def record(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir()
    (folder / name / "settings.txt").write_text(text)


def test_a_recorded_study_of_one_line_may_be_matched(recorded: Path) -> None:
    record(recorded, "one", "# one line\ndepth=1,4 match=params dim=32 epochs=1\n")
    found = study_command.replay("one", ("seeds=1",), None)
    assert {(c.depth, c.dim) for c in found.configs} == {(1, 32), (4, 16)} and found.match["by"] == "params"
    assert found.typed == ("--experiment", "one", "seeds=1")
    assert {c.dim for c in study_command.replay("one", ("match=none",), None).configs} == {32}


def test_what_is_typed_replaces_a_setting_in_every_arm(recorded: Path) -> None:
    record(recorded, "two", "short: depth=1 lr=0.1 seeds=1\nlong: depth=2,3 seeds=1\n")
    found = study_command.replay("two", ("lr=0.5", *TINY), None)
    assert [(arm, c.depth, c.lr) for arm, c in zip(found.arms, found.configs, strict=True)] == [
        ("short", 1, 0.5),
        ("long", 2, 0.5),
        ("long", 3, 0.5),
    ]


def test_presets_are_replaced_key_by_key() -> None:
    make = study_command.depth_arms("depth=1,2", "residual=pre,post")
    found = make((*TINY, "depth=3", "seeds=1"), None)
    assert [(c.depth, c.residual.name) for c in found.configs] == [(3, "pre"), (3, "post")]


def test_train_is_a_grid_of_one() -> None:
    found = study_command.single_run((*TINY, "depth=3", "seed=7"), None)
    assert [(c.depth, c.seed) for c in found.configs] == [(3, 7)] and found.axes == ()


def test_a_search_over_a_recorded_study_is_refused(tmp_path: Path) -> None:
    typed = ("depth=1,2", "--search", "random", "--experiment", "subjects-depth")
    done = stackattn("sweep", *typed, cwd=tmp_path)
    assert done.returncode == 2 and "a recorded study is replayed as recorded" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_steps_typed_for_a_recorded_study_replace_its_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_settings, "read_experiment", lambda _: {"": ["depth=1,2", "epochs=3"]})
    found = study_command.replay("mine", ("steps=5",), None)
    assert {(c.depth, c.steps) for c in found.configs} == {(1, 5), (2, 5)}
