"""Plain files, published once, found again, and never believed when damaged."""

import json
import os
import random
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stackcli.common import atomic_files, records
from stackcli.common.atomic_files import CorruptionError
from stackcli.common.records import Result, StepRow
from stackcli.config import grid
from stackcli.config.settings import Config, Part
from stackcli.experiment import identity, load, serialization, studies
from stackcli.experiment.identity import ConflictError, StoreError
from stackcli.experiment.store import Store
from stackcli.experiment.verification import find_faults


def default() -> Config:
    return grid.parse_grid(["seeds=1"]).configs[0]


def publish(
    place: Store, run: str = "abc", loss: float = 0.5, weights: bytes | None = None, *, replace: bool = False
) -> None:
    row = StepRow(step=1, epoch=1.0, lr=0.1, train_loss=loss, train_acc=0.5, val_loss=0.6, val_acc=0.4)
    place.publish(
        run,
        config=default(),
        result=Result(status="done", step_end=1, test_acc=0.5, gap_end=float("nan")),
        curve=[row],
        layers=[],
        stack=[],
        position=[],
        words={"vocab": [], "classes": [], "max_len": 4},
        weights=weights,
        provenance={"seconds": 1.0},
        reproduce="stackattn train",
        replace=replace,
    )


def test_a_broken_rename_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_files.write_file(tmp_path / "a", "old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_files.write_file(tmp_path / "a", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place, loss=0.1 + 0.2)
    assert place.result("abc")["test_acc"] == 0.5
    assert place.result("abc")["gap_end"] != place.result("abc")["gap_end"]  # NaN survives
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.1 + 0.2
    assert place.config("abc") == default()
    assert place.finished("abc") and not place.finished("abc", keep="best")


def test_files_are_strict_json(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place)
    text = (place.run("abc") / "result.json").read_text()
    assert '"NaN"' in text and json.loads(text)["gap_end"] == "NaN"
    with pytest.raises(ValueError, match="no JSON number"):
        records.loads('{"a": NaN}')


def test_who_publishes_second_changes_nothing(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place, loss=0.1)
    publish(place, loss=0.2)
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.1
    assert list((place.root / "attempts").iterdir()) == []


def test_a_cut_last_line_is_not_yet_written_and_a_bad_middle_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [r["step"] for r in atomic_files.read_lines(path)] == [1, 2]
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(CorruptionError, match="line 2 is damaged"):
        atomic_files.read_lines(path)


def test_a_flipped_bit_in_the_weights_is_found(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place, weights=serialization.to_bytes({"w": torch.ones(100)}))
    assert find_faults(place) == []
    path = place.run("abc") / "weights.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CorruptionError, match=r"weights\.pt"):
        place.load_weights("abc")
    assert len(find_faults(place)) == 1


def state(step: int) -> dict[str, Any]:
    return {"step": step, "model": {"w": torch.full((50,), float(step))}}


@pytest.mark.parametrize("seed", range(40))
def test_a_death_inside_the_save_leaves_a_checkpoint_that_loads(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Store(tmp_path / "out")
    place.save_checkpoint("abc", state(1))
    calls, dies_at = [0], random.Random(seed).randrange(1, 9)

    def dying(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if calls[0] == dies_at:
                raise SystemExit("killed")
            return real(*args, **kwargs)

        return call

    for owner, name in ((os, "replace"), (os, "fsync"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    died = False
    try:
        place.save_checkpoint("abc", state(2))
    except SystemExit:
        died = True
    monkeypatch.undo()
    loaded = place.load_checkpoint("abc")
    assert loaded is not None and loaded["step"] in ((1, 2) if died else (2,))
    assert bool((loaded["model"]["w"] == loaded["step"]).all())


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    path = place.save_checkpoint("abc", state(1))
    path.write_bytes(path.read_bytes()[:-1])
    assert place.load_checkpoint("abc") is None


def test_identity_is_what_can_change_a_result() -> None:
    base, csv = default(), Part(name="csv", keys=(("path", "a.csv"), ("text", "t")))
    moved = Part(name="csv", keys=(("path", "b.csv"), ("text", "t")))
    run = identity.run_id(base, "content")
    assert identity.run_id(replace(base, keep="none"), "content") == run
    assert identity.run_id(replace(base, data=csv), "c") == identity.run_id(replace(base, data=moved), "c")
    others = [
        identity.run_id(replace(base, **change), "content")
        for change in ({"seed": 1}, {"lr": 0.002}, {"threads": 2}, {"kernel": "explicit"}, {"pe": Part(name="none")})
    ]
    assert len({run, identity.run_id(base, "other content"), *others}) == 7


def study(**base: Any) -> dict[str, Any]:
    return {"axes": ["depth"], "base": base, "runs": []}


def test_a_study_may_grow_but_not_change_its_base(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.save_study("s", study(lr=0.1, epochs=2))
    place.save_study("s", study(lr=0.1, epochs=2))
    with pytest.raises(ConflictError, match=r"lr=0\.1 there, 0\.2 here"):
        place.save_study("s", study(lr=0.2, epochs=2))


BAD_NAMES = ["../x", "/etc/x", "", "a\0b", "x" * 300, "a\nb", "-rf", ".", "a b", "..", "a/b", "ä"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_become_a_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="--study"):
        studies.check_name(name)


def test_a_store_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "out").create()
    (tmp_path / "out" / "stackattn.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match="newer"):
        Store(tmp_path / "out")


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("dear")
    with pytest.raises(StoreError, match="other things"):
        Store(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StoreError, match="a file, not a folder"):
        Store(tmp_path / "a")


def test_opening_a_store_writes_nothing(tmp_path: Path) -> None:
    assert not Store(tmp_path / "out").exists and list(tmp_path.iterdir()) == []


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StoreError, match="write --out FOLDER"):
        Store(tmp_path / "a" / "b")


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place, "abc1")
    publish(place, "abd2")
    assert place.find("abc") == "abc1"
    with pytest.raises(ValueError, match="2 runs"):
        place.find("ab")
    with pytest.raises(ValueError, match="no run"):
        place.find("zz")


def test_no_setting_has_the_name_of_a_result() -> None:
    assert {f.name for f in fields(Config)} & {f.name for f in fields(Result)} == set()


def test_a_forced_run_takes_the_place_of_the_old_one_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Store(tmp_path / "out")
    publish(place, loss=0.1)

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="disk full"):
        broken.setattr(os, "replace", fail)
        publish(place, loss=0.2, replace=True)
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.1
    publish(place, loss=0.2, replace=True)
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.2
    assert list((place.root / "attempts").iterdir()) == [] and find_faults(place) == []


def test_a_run_that_kept_its_best_weights_is_not_one_that_kept_the_last(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place, weights=b"best")
    assert default().keep == "best" and place.finished("abc", "best") and place.finished("abc", "none")
    assert not place.finished("abc", "last")


def test_a_store_that_another_process_has_just_begun_is_no_foreign_folder(tmp_path: Path) -> None:
    (tmp_path / ".stackattn.json.x1y2").write_text("{")
    Store(tmp_path).create()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match="a folder with other things in it"):
        Store(tmp_path / "other")


@pytest.mark.parametrize("name", ["config", "result", "curve", "layers", "position", "words", "provenance", "manifest"])
def test_verify_reads_every_file_of_a_run(name: str, tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place, weights=b"best")
    assert find_faults(place) == []
    (path,) = place.run("abc").glob(f"{name}.json*")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"e", b"f", 1) if b"e" in whole else whole + b" ")
    assert len(find_faults(place)) >= 1
    path.unlink()
    assert len(find_faults(place)) == 1 and name in find_faults(place)[0]


def test_a_claim_is_of_one_process_at_a_time_and_gives_way_to_a_stop(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    place = Store(tmp_path / "out")
    with place.claimed("abc", lambda: False) as first, place.claimed("abc", lambda: True) as second:
        assert first and not second
    with place.claimed("abc", lambda: True) as again:
        assert again


def test_an_older_process_takes_no_newer_checkpoint_away(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.save_checkpoint("abc", state(9))
    place.save_checkpoint("abc", state(5))
    found = place.load_checkpoint("abc")
    assert found is not None and found["step"] == 9
    (manifest,) = (place.root / "checkpoints" / "abc").glob("*9.json")
    manifest.write_text("[1")
    found = place.load_checkpoint("abc")
    assert found is not None and found["step"] == 5


def entry(run: str) -> dict[str, Any]:
    return {"run": run, "arm": "", "point": "", "settings": {"seed": ord(run[0])}, "timing": "", "facts": "d"}


def test_what_is_known_of_other_points_stays_when_remedies_grow(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    for point, reached in (("depth=16", 0.2), ("depth=32", 0.1)):
        known = {"found": {point: {"overfitting": [3, 3, False]}}, "reached": {"subjects": reached}}
        place.save_study(
            "s", {**study(), "command": "remedies", "runs": [entry("abc")], "facts": {}, "known": known}, grow=True
        )
    found = load.load_study(place, "s").known
    assert set(found["found"]) == {"depth=16", "depth=32"} and found["reached"] == {"subjects": 0.1}


def test_a_named_study_keeps_its_runs_when_it_grows(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    for run in ("a", "b"):
        place.save_study("s", {**study(), "runs": [entry(run)], "facts": {run: {}}}, grow=True)
    found = place.read_study("s")
    assert [r["run"] for r in found["runs"]] == ["b", "a"] and set(found["facts"]) == {"a", "b"}
    place.save_study("s", {**study(), "runs": [entry("c")], "facts": {}})
    assert [r["run"] for r in place.read_study("s")["runs"]] == ["c"]


def test_a_run_without_one_of_its_fields_is_named_as_damaged(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish(place)
    place.save_study("s", {**study(), "command": "sweep", "runs": [entry("abc")], "facts": {}})
    assert list(load.load_study(place, "s").runs["test_acc"]) == [0.5]
    (place.run("abc") / "position.json").write_text('[{"name": "table"}]')
    with pytest.raises(CorruptionError, match="abc: damaged"):
        load.load_study(place, "s")


def test_a_run_of_the_same_settings_takes_the_place_of_one_whose_part_was_edited(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")

    def study(*runs: tuple[str, int]) -> dict[str, Any]:
        entries = [{"run": run, "arm": "", "settings": {"pe": "mine", "seed": seed}} for run, seed in runs]
        return {"axes": ["pe"], "base": {}, "facts": {}, "runs": entries}

    place.save_study("s", study(("old0", 0), ("old1", 1)), grow=True)
    place.save_study("s", study(("new0", 0)), grow=True)
    assert [r["run"] for r in place.read_study("s")["runs"]] == ["new0", "old1"]


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


def test_verify_names_a_study_whose_run_is_gone_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    publish(place)
    runs = [{**entry(run), "point": "depth=2", "published": True} for run in ("abc", "gone")] + [entry("never")]
    place.save_study("s", {**study(), "command": "sweep", "overrides": ["depth=1,2"], "runs": runs, "facts": {}})
    (found,) = find_faults(place)
    assert "study s: run gone (depth=2 seed=" in found and "stackattn sweep depth=1,2 trains it again" in found
    place.save_facts("key", {"a": 1})
    (place.root / "facts" / "key.json").write_text("[1")
    assert any("facts" in line and "damaged" in line for line in find_faults(place))
    (place.study("s") / "study.json").write_text("{")
    assert any("study.json" in line and "damaged" in line for line in find_faults(place))


def test_a_study_has_one_run_of_a_point_and_seed_though_a_part_has_other_keys_or_defaults_now(tmp_path: Path) -> None:
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
