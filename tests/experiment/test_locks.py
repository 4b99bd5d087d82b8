"""Locks between processes."""

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from stackcli.experiment.locks import acquire_lock


def test_a_lock_that_is_held_is_waited_for_and_not_taken_twice(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    first, second = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    assert acquire_lock(first)
    assert not acquire_lock(second, seconds=0.05) and not second.is_locked
    first.release()
    assert acquire_lock(second, seconds=0) and second.is_locked
    second.release()


def test_a_file_system_without_locks_counts_as_locked(tmp_path: Path) -> None:
    class Unlockable(FileLock):
        def acquire(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    assert acquire_lock(Unlockable(tmp_path / "a.lock"), seconds=0)
