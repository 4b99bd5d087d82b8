"""The files of a new folder, flushed together."""

import errno
import os
from pathlib import Path

import pytest

from stackcli.common.new_folder import write_folder


def test_every_file_is_complete_and_flushed_and_the_folder_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[int, int]] = []
    before = os.fsync

    def note(handle: int) -> None:
        found = os.fstat(handle)
        flushed.append((found.st_ino, found.st_size))
        before(handle)

    monkeypatch.setattr(os, "fsync", note)
    contents = {"a": b"", "b": b"\n\r\n\x1a", "c": os.urandom(300_000)}
    write_folder(tmp_path / "x" / "y", contents)
    folder = tmp_path / "x" / "y"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    expected = [(os.stat(folder / name).st_ino, len(content)) for name, content in contents.items()]
    assert flushed[:3] == expected and [ino for ino, _ in flushed[3:]] == [os.stat(folder).st_ino]


def test_a_write_that_the_system_cuts_short_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: before(handle, bytes(content)[:7]))
    write_folder(tmp_path / "x", {"a": bytes(range(100))})
    assert (tmp_path / "x" / "a").read_bytes() == bytes(range(100))


def test_the_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        write_folder(tmp_path / "x", {"a": b"", "b": b"1"})
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "x" / "b")
