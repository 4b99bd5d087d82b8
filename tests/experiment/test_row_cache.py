"""Files of the cache: whole and of this version, or as if they were not there."""

import os
from pathlib import Path

import pytest

from stackcli.experiment import row_cache


def test_parts_come_back_as_they_were_written(tmp_path: Path) -> None:
    parts = [b"", b"\n \x00" * 1000, bytes(range(256))]
    row_cache.write_parts(tmp_path / "cache" / "a", parts)
    assert read(tmp_path / "cache" / "a", 3) == parts
    assert read(tmp_path / "b") is None


def read(path: Path, count: int = 0) -> list[bytes] | None:
    """The parts of a file of the cache, `count` of them; None for one that cannot be used."""
    parts = row_cache.open_parts(path)
    if parts is None:
        return None
    assert len(parts.lengths) == count
    found = [parts[i] for i in reversed(range(count))][::-1]
    parts.close()
    return found


@pytest.mark.parametrize("at", [0, 17, 30, 90, -1])
def test_a_file_with_any_changed_byte_is_not_used(tmp_path: Path, at: int) -> None:
    path = tmp_path / "a"
    row_cache.write_parts(path, [b"some rows"])
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert read(path) is None


def test_a_file_that_was_cut_or_is_of_another_version_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    row_cache.write_parts(path, [b"some rows", b"more"])
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        assert read(path) is None
    path.write_bytes(content)
    assert read(path, 2) == [b"some rows", b"more"]
    monkeypatch.setattr(row_cache, "VERSION", row_cache.VERSION + 1)
    assert read(path) is None


def test_a_cache_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    row_cache.write_parts(tmp_path / "cache" / "a", [b"some rows"])
    assert read(tmp_path / "cache" / "a") is None


def test_a_run_that_was_changed_in_any_way_has_another_signature(tmp_path: Path) -> None:
    def sign() -> str:
        return row_cache.signature(str(tmp_path), ("a", "b"))[0]

    path = tmp_path / "a"
    path.write_bytes(b"1")
    os.utime(path, ns=(10**18, 10**18))
    seen = {sign()}
    assert sign() in seen
    path.write_bytes(b"2")  # the same size in the same file
    assert sign() not in seen
    seen.add(sign())
    os.utime(path, ns=(10**18, 10**18))
    path.write_bytes(b"22")
    os.utime(path, ns=(10**18, 10**18))  # the same time, another size
    assert sign() not in seen
    seen.add(sign())
    (tmp_path / "new").write_bytes(b"22")
    os.utime(tmp_path / "new", ns=(10**18, 10**18))
    os.replace(tmp_path / "new", path)  # another file of the same size and time
    assert sign() not in seen
    seen.add(sign())
    (tmp_path / "b").write_bytes(b"")
    assert sign() not in seen
    with pytest.raises(OSError):
        row_cache.signature(str(tmp_path / "none"), ("a",))


def test_a_run_is_kept_only_some_time_after_its_last_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    _, changed = row_cache.signature(str(tmp_path), ("a",))
    assert not row_cache.is_settled(changed) and row_cache.is_settled(changed - row_cache.SETTLED)
