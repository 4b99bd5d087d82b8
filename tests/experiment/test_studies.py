"""study.json: what a study keeps when it grows, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from stackcli.config.settings import OFF
from stackcli.experiment import studies
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.store import Store
from stackcli.experiment.studies import LATER
from tests.experiment.examples import empty_study, study_entry
from tests.factory import config


def test_a_study_may_grow_but_not_change_its_base(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.save_study("s", empty_study(lr=0.1, epochs=2))
    place.save_study("s", empty_study(lr=0.1, epochs=2))
    with pytest.raises(ConflictError, match=r"lr=0\.1 there, 0\.2 here"):
        place.save_study("s", empty_study(lr=0.2, epochs=2))


BAD_NAMES = ["../x", "/etc/x", "", "a\0b", "x" * 300, "a\nb", "-rf", ".", "a b", "..", "a/b", "ä"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_become_a_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="--study"):
        studies.check_name(name)


def test_a_named_study_keeps_its_runs_when_it_grows(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    for run in ("a", "b"):
        place.save_study("s", {**empty_study(), "runs": [study_entry(run)], "facts": {run: {}}}, grow=True)
    found = place.read_study("s")
    assert [r["run"] for r in found["runs"]] == ["b", "a"] and set(found["facts"]) == {"a", "b"}
    place.save_study("s", {**empty_study(), "runs": [study_entry("c")], "facts": {}})
    assert [r["run"] for r in place.read_study("s")["runs"]] == ["c"]


def test_a_new_run_replaces_one_of_the_same_settings_whose_part_was_edited(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")

    def study(*runs: tuple[str, int]) -> dict[str, Any]:
        entries = [{"run": run, "arm": "", "settings": {"pe": "mine", "seed": seed}} for run, seed in runs]
        return {"axes": ["pe"], "base": {}, "facts": {}, "runs": entries}

    place.save_study("s", study(("old0", 0), ("old1", 1)), grow=True)
    place.save_study("s", study(("new0", 0)), grow=True)
    assert [r["run"] for r in place.read_study("s")["runs"]] == ["new0", "old1"]


def test_a_study_has_one_run_of_a_point_and_seed_even_where_a_part_has_gained_keys(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")

    def saved(run: str, pe: str, **keys: Any) -> None:
        settings = {"pe": pe, **{f"pe.{key}": value for key, value in keys.items()}, "seed": 0}
        base = {"lr": 0.1, "norm": "layer", **({"norm.eps": 1e-5} if "new" in run else {})}
        entries = [{"run": run, "arm": "", "settings": settings}]
        place.save_study("s", {"axes": ["pe"], "base": base, "facts": {}, "runs": entries}, grow=True)

    saved("old rope", "rope", base=100.0)
    saved("old alibi", "alibi", form="auto")
    saved("new rope", "rope", base=100.0, dynamic=0)
    assert [r["run"] for r in place.read_study("s")["runs"]] == ["new rope", "old alibi"]
    saved("new alibi", "alibi", form="causal")  # as where a default has changed
    assert [r["run"] for r in place.read_study("s")["runs"]] == ["new alibi", "new rope"]


def grow(root: str, seeds: list[int]) -> None:
    place = Store(Path(root))
    for seed in seeds:
        runs = [{"run": f"r{seed}", "arm": "", "settings": {"seed": seed}}]
        place.save_study("s", {"axes": [], "base": {}, "facts": {}, "runs": runs}, grow=True)


def test_two_processes_that_grow_a_study_at_once_both_add_their_runs(tmp_path: Path) -> None:
    import multiprocessing

    Store(tmp_path / "out").create()
    spawn = multiprocessing.get_context("spawn")
    halves = [list(range(start, 60, 2)) for start in (0, 1)]
    both = [spawn.Process(target=grow, args=(str(tmp_path / "out"), half)) for half in halves]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert {r["run"] for r in Store(tmp_path / "out").read_study("s")["runs"]} == {f"r{seed}" for seed in range(60)}


def test_the_longest_name_and_every_allowed_sign_are_accepted() -> None:
    for name in ("a", "9" * 100, "A.b_c=d,e+f-g"):
        assert studies.check_name(name) == name
    with pytest.raises(ValueError, match=r"'x{40}\.\.\.'"):
        studies.check_name("x" * 101)


def test_the_axes_and_the_seed_may_differ_and_so_may_a_key_that_a_part_has_gained() -> None:
    old: dict[str, Any] = {"axes": ["depth"], "base": {"lr": 0.1, "depth": 2, "seed": 0, "pe": "rope"}}
    new: dict[str, Any] = {"axes": ["dim"], "base": {"lr": 0.1, "dim": 8, "seed": 5, "pe": "rope", "pe.base": 100}}
    studies.check_same_base("s", old, new)
    other = {**new, "base": {**new["base"], "pe": "alibi"}}  # then pe.base is a setting of another part
    with pytest.raises(ConflictError, match=r"pe='rope' there, 'alibi' here; pe\.base=None there, 100 here"):
        studies.check_same_base("s", old, other)


@pytest.mark.parametrize("name", [*OFF, "precision", "compile"])
def test_a_study_of_before_a_setting_existed_grows_where_that_is_off(name: str) -> None:
    now = config().flat()
    before: dict[str, Any] = {
        "axes": ["depth"],
        "base": {key: value for key, value in now.items() if key.partition(".")[0] != name},
    }
    studies.check_same_base("s", before, {"axes": ["depth"], "base": now})
    studies.check_same_base("s", {"axes": ["depth"], "base": now}, before)  # an earlier version reads the folder
    changed = {"axes": ["depth"], "base": {**now, name: "other"}}
    with pytest.raises(ConflictError, match=rf"{name}={LATER[name]!r} there, 'other' here"):
        studies.check_same_base("s", before, changed)


def test_a_run_is_missing_where_no_new_run_has_its_arm_point_and_seed() -> None:
    def study(*runs: tuple[str, str, int, int]) -> dict[str, Any]:
        entries = [{"run": r, "arm": arm, "settings": {"depth": d, "seed": s, "lr": 0.1}} for r, arm, d, s in runs]
        return {"axes": ["depth"], "runs": entries}

    old = study(("a", "", 1, 0), ("b", "", 1, 1), ("c", "", 2, 0), ("d", "arm", 1, 0))
    assert [r["run"] for r in studies.missing_runs(old, study(("x", "", 1, 0), ("y", "", 2, 1)))] == ["b", "c", "d"]
    assert studies.missing_runs(old, old) == []
