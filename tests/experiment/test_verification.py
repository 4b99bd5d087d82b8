"""Damaged and missing files are found and named."""

import shutil
from pathlib import Path

import pytest

from stackcli.config.grid import parse_grid
from stackcli.experiment import study
from stackcli.experiment.plan import Plan
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms
from stackcli.experiment.verification import find_faults
from tests.experiment.examples import empty_study, options, publish_run, study_entry

SIZES = {"sizes": {"train": 1, "val": 1, "test": 1}, "classes": [], "shares": {}}


@pytest.mark.parametrize("name", ["config", "result", "curve", "layers", "position", "words", "provenance", "manifest"])
def test_verify_reads_every_file_of_a_run(name: str, tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place, weights=b"best")
    assert find_faults(place) == []
    (path,) = place.run("abc").glob(f"{name}.json*")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"e", b"f", 1) if b"e" in whole else whole + b" ")
    assert len(find_faults(place)) >= 1
    path.unlink()
    assert len(find_faults(place)) == 1 and name in find_faults(place)[0]


def test_verify_names_missing_runs_of_a_study_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    publish_run(place)
    runs = [{**study_entry(run), "point": "depth=2", "published": True} for run in ("abc", "gone")] + [
        study_entry("never")
    ]
    place.save_study("s", {**empty_study(), "command": "sweep", "overrides": ["depth=1,2"], "runs": runs, "facts": {}})
    (found,) = find_faults(place)
    assert "study s: run gone (depth=2 seed=" in found and "stackattn sweep depth=1,2 trains it again" in found
    place.save_facts("key", {"a": 1})
    (place.root / "facts" / "key.json").write_text("[1")
    assert any("facts" in line and "damaged" in line for line in find_faults(place))
    (place.study("s") / "study.json").write_text("{")
    assert any("study.json" in line and "damaged" in line for line in find_faults(place))


def test_a_run_that_is_gone_is_named_even_where_the_command_after_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record that a command saves before it trains says which runs there were."""
    arms = Arms.of_grid(parse_grid(("depth=1,2", "seeds=1")))
    place = Store(tmp_path / "out")
    place.create()
    data = arms.configs[0].data
    planned = Plan(("a", "b"), arms.configs, (), {data: {"fingerprint": "f", "notices": [], **SIZES}}, {data: "key"})
    publish_run(place, "a")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stackcli.experiment.plan.plan", lambda *_, **__: planned)
    monkeypatch.setattr("stackcli.experiment.plan.keep_facts", lambda *_: None)
    monkeypatch.setattr(study, "train", die)
    with pytest.raises(KeyboardInterrupt):
        study.run_study(arms, options(place.root, study="s", quiet=True))
    assert find_faults(place) == []
    shutil.rmtree(place.run("a"))
    (found,) = find_faults(place)
    assert "study s: run a (depth=1 seed=0) is gone" in found
