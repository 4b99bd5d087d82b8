"""Checkpoints in a folder; kills and damage are tried by test_store and test_kills."""

from pathlib import Path

from stackcli.experiment.checkpoints import load_checkpoint, save_checkpoint


def test_the_newest_whole_checkpoint_is_loaded_and_older_ones_are_deleted(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    first = save_checkpoint(tmp_path, {"step": 3, "rows": ["a"]})
    second = save_checkpoint(tmp_path, {"step": 12, "rows": ["a", "b"]})
    assert not first.exists() and load_checkpoint(tmp_path) == {"step": 12, "rows": ["a", "b"]}
    second.write_bytes(second.read_bytes()[:-1])
    assert load_checkpoint(tmp_path) is None
