"""Small files are written atomically, and refused if they are damaged."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.atomic_files import (
    CorruptionError,
    check_target,
    json_name,
    read_json,
    read_lines,
    why_unwritable,
    write_file,
    write_json,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- writing


def test_text_and_bytes_are_written_into_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a"
    write_file(target, "é\n")
    assert target.read_bytes() == b"\xc3\xa9\n" and names(target.parent) == ["a"]
    write_file(target, b"\xff\x00")
    assert target.read_bytes() == b"\xff\x00" and names(target.parent) == ["a"]


def test_a_full_disk_leaves_the_old_file_and_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    write_file(target, "old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_file(target, "new")
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(target)
    assert target.read_text() == "old" and names(tmp_path) == ["a"]


def test_an_interrupt_leaves_the_old_file_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(tmp_path / "a", "old")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


# ---- checking a target before any work


def test_a_writable_folder_is_accepted_and_stays_empty(tmp_path: Path) -> None:
    assert why_unwritable(tmp_path) == "" and names(tmp_path) == []
    assert why_unwritable(tmp_path / "missing") == "nothing can be created there"


def test_an_unwritable_folder_is_reported_with_the_reason_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> str:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    assert why_unwritable(tmp_path) == "Read-only file system"
    with pytest.raises(ValueError, match=r"^--csv .*a\.csv: cannot be written: Read-only file system$"):
        check_target(tmp_path / "a.csv", "--csv")


def test_a_target_that_can_be_written_passes_and_nothing_is_created(tmp_path: Path) -> None:
    check_target(tmp_path / "deep" / "er" / "a.csv", "--csv")
    (tmp_path / "old.csv").write_text("old")
    check_target(tmp_path / "old.csv", "--csv")
    assert names(tmp_path) == ["old.csv"] and (tmp_path / "old.csv").read_text() == "old"


def test_a_folder_a_device_and_a_path_below_a_file_are_refused_as_targets(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^--csv .*: a folder; write --csv .*table\.csv$"):
        check_target(tmp_path, "--csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be written: .*file is"):
        check_target(tmp_path / "file" / "a.csv", "--csv")
    if os.name != "nt":
        with pytest.raises(ValueError, match="--csv - writes to stdout"):
            check_target(Path("/dev/null"), "--csv")


# ---- reading


def test_a_json_file_is_read_with_the_keys_it_must_have(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "é", "loss": "NaN"}', encoding="utf-8")
    assert read_json(tmp_path / "a.json", "name", "loss") == {"name": "é", "loss": "NaN"}
    (tmp_path / "b.json").write_text("[1, 2]")
    assert read_json(tmp_path / "b.json", kind=list) == [1, 2]


DAMAGED = {
    '{"a": 1': "Expecting",
    '{"a": NaN}': "NaN",
    "[1]": "it holds a list",
    "true": "it holds a boolean",
    '{"a": 1}': "b, c missing",
    "[" * 100_000: "",  # too deep for Python, whose message depends on the version
}


@pytest.mark.parametrize("text", DAMAGED, ids=["cut", "NaN", "list", "boolean", "keys", "deep"])
def test_a_damaged_json_file_is_reported_with_its_fault(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CorruptionError, match=rf"a\.json: damaged \(.*{DAMAGED[text]}.*delete its folder"):
        read_json(tmp_path / "a.json", "a", "b", "c")


def test_an_object_instead_of_a_list_is_damage(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(CorruptionError, match="it holds an object"):
        read_json(tmp_path / "a.json", kind=list)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("null", "null"),
        ("true", "a boolean"),
        ("[]", "a list"),
        ('""', "a string"),
        ("0", "a number"),
        ("1.5", "a number"),
    ],
)
def test_a_value_has_its_json_name(text: str, name: str) -> None:
    assert json_name(json.loads(text)) == name


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", []),
        (b'{"step": 1}\n{"step": 2}\n', [1, 2]),
        (b'{"step": 1}\n{"step": 2}', [1]),
        (b'{"step": 1}\n{"step": 2}\n{"st', [1, 2]),
        (b'{"step": 1', []),
    ],
)
def test_lines_are_read_up_to_the_last_newline(content: bytes, rows: list[int], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    assert [row["step"] for row in read_lines(tmp_path / "a.jsonl")] == rows


def test_non_finite_numbers_are_read_back_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"loss": "NaN", "name": "nan"}\n{"loss": "-Infinity", "name": "x"}\n')
    first, second = read_lines(tmp_path / "a.jsonl")
    assert first["loss"] != first["loss"] and first["name"] == "nan" and second == {"loss": -float("inf"), "name": "x"}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'{"a": 1}\n{"a"\n{"a": 3}\n', 2),
        (b'{"a": 1}\n\n{"a": 3}\n', 2),
        (b'[1]\n{"a": 3}\n', 1),
        (b'{"a": 1\n"b": 2}\n', 1),
        (b'{"a": 1}\n{"a": 2}, {"a": 3}\n', 2),
        (b'{"a": 1}\n{"a": 2}\n{"a": NaN}\n', 3),
        (b'{"a": "\xff"}\n', 1),
    ],
)
def test_a_damaged_line_is_reported_with_its_number(content: bytes, line: int, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(CorruptionError, match=rf"a\.jsonl: line {line} is damaged"):
        read_lines(tmp_path / "a.jsonl")


@pytest.mark.parametrize("indent", [None, 1, 2])
@pytest.mark.parametrize(
    "value", [{}, {"a": 1}, {"a": [float("nan"), 0.1], "b": {"c": "é \ud800"}}, {"checksum_of": "other"}]
)
def test_an_object_with_a_checksum_is_plain_json_and_is_read_back(
    value: dict[str, Any], indent: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    write_json(path, value, indent=indent)
    plain = json.loads(path.read_text(encoding="utf-8"))
    assert list(plain)[-1] == "checksum" and list(plain)[:-1] == list(value)
    found = read_json(path, checksum=True)
    assert json.dumps(found) == json.dumps(value).replace("NaN", '"NaN"')


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"a": {"b": 0.25}, "c": "text"}])
def test_every_changed_bit_and_every_cut_is_found(value: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, value)
    whole = path.read_bytes()
    damaged = [
        whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in range(8)
    ]
    for content in [*damaged, *(whole[:at] for at in range(len(whole) - 1))]:
        path.write_bytes(content)
        if content[:-1] == whole[:-1] and content[-1:].isspace():
            continue  # another white space at the end of the file means nothing
        with pytest.raises(CorruptionError):
            read_json(path, checksum=True)


def test_an_object_without_a_checksum_is_read_where_none_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}\n')
    assert read_json(path) == {"a": 1}
    with pytest.raises(CorruptionError, match="its checksum is missing"):
        read_json(path, checksum=True)
