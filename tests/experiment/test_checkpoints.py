"""Checkpoints in a folder; kills and damage are tried by test_store and test_kills."""

from pathlib import Path

from stackcli.experiment.checkpoints import load_checkpoint, read_processes, save_checkpoint


def test_the_newest_whole_checkpoint_is_loaded_and_older_ones_are_deleted(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    first = save_checkpoint(tmp_path, {"step": 3, "rows": ["a"]})
    second = save_checkpoint(tmp_path, {"step": 12, "rows": ["a", "b"]})
    assert not first.exists() and load_checkpoint(tmp_path) == {"step": 12, "rows": ["a", "b"]}
    second.write_bytes(second.read_bytes()[:-1])
    assert load_checkpoint(tmp_path) is None


def test_a_checkpoint_tells_which_processes_trained_the_run(tmp_path: Path) -> None:
    assert read_processes(tmp_path) is None
    path = save_checkpoint(tmp_path, {"step": 3})  # of a version that had one process only
    assert read_processes(tmp_path) == (1, "data")
    save_checkpoint(tmp_path, {"step": 5, "processes": [4, "sharded"]})
    assert read_processes(tmp_path) == (4, "sharded") and not path.exists()
    (tmp_path / "step-000000005.json").write_text('{"processes": 3}')
    assert read_processes(tmp_path) is None
