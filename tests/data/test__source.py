"""Reading a user's file: other files than text are refused; gzip and encoding do not change the data."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stackcli.data._source import DataError
from stackcli.data.csv import Csv
from tests.data.examples import all_rows, content, load, rows

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "latin-1": (content(rows()) + "é,cat\n".encode("latin-1"), "not UTF-8 at line 62"),
    "latin-1, said": (content(rows()) + "é,cat\n".encode("latin-1"), "data.encoding=latin-1"),
    "utf-16": (content(rows()).decode().encode("utf-16"), "UTF-16, not UTF-8; write data.encoding=utf-16"),
    "utf-16 without a mark": (content(rows()).decode().encode("utf-16-le"), "write data.encoding=utf-16-le"),
    "a workbook": (b"PK\x03\x04" + bytes(200), "an Excel workbook (.xlsx); save the sheet as CSV"),
    "parquet": (b"PAR1" + bytes(200), "a Parquet file"),
    "cut gzip": (gzip.compress(content(rows()))[:-40], "a damaged gzip file"),
    "NUL": (content(rows()) + b"a\0b,cat\n", "line 62 holds a NUL byte"),
    "binary": (bytes(range(256)) * 20, "NUL byte"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_text_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    data, fragment = BAD[name]
    with pytest.raises(DataError, match=r".") as error:
        load(tmp_path, data)
    assert fragment in str(error.value)


def fifo(path: Path) -> None:
    os.mkfifo(path)


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "folder": (Path.mkdir, "a folder, not a file"),
    "pipe": (fifo, "not a plain file"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_path_that_is_not_a_plain_file_is_refused(name: str, tmp_path: Path) -> None:
    make, fragment = PLACES[name]
    if name == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    make(tmp_path / "x")
    with pytest.raises(DataError, match=fragment):
        Csv(path=str(tmp_path / "x")).load()


def test_a_missing_path_is_refused_with_what_to_type() -> None:
    with pytest.raises(DataError, match=r"data=csv data\.path=FILE"):
        Csv().load()


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
def test_the_encoding_does_not_change_the_data_set(encoding: str, tmp_path: Path) -> None:
    text = content([*rows(), ("café à la crème", "cat")]).decode()
    plain = load(tmp_path, text.encode())
    same = load(tmp_path, text.replace("\n", "\r\n").encode(encoding), "b.csv", encoding=encoding)
    assert same == plain and all_rows(same)["café à la crème"] == "cat"
    prints = [
        Csv(path=str(tmp_path / f), encoding=e).fingerprint() for f, e in (("a.csv", "utf-8"), ("b.csv", encoding))
    ]
    assert prints[0] == prints[1]


def test_the_fingerprint_depends_on_the_text_and_not_on_byte_order_mark_line_ends_or_gzip(tmp_path: Path) -> None:
    data = content(rows())
    files = {"a": data, "b": b"\xef\xbb\xbf" + data, "c": data.replace(b"\n", b"\r\n"), "d": gzip.compress(data)}
    for name, one in {**files, "e": data.replace(b"cats", b"Cats", 1)}.items():
        (tmp_path / name).write_bytes(one)
    assert len({Csv(path=str(tmp_path / name)).fingerprint() for name in files}) == 1
    assert Csv(path=str(tmp_path / "e")).fingerprint() != Csv(path=str(tmp_path / "a")).fingerprint()


@pytest.mark.parametrize("name", ["rot13", "hex", "nothing", "base64", ""])
def test_a_name_that_is_not_a_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=rf"data\.encoding={name}: not a text encoding"):
        Csv(encoding=name)


def test_a_line_end_across_two_blocks_is_one_line_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = content([*rows(), ("日本 é", "cat")]).replace(b"\n", b"\r\n")
    whole = load(tmp_path, data)
    for size in (1, 2, 3, 7):
        monkeypatch.setattr("stackcli.data._source.BLOCK", size)
        assert load(tmp_path, data) == whole
        with pytest.raises(DataError, match=r"line 62, byte \d+ \(0xe9\)"):
            load(tmp_path, content(rows()) + "é,cat\n".encode("latin-1"))


def test_a_gzip_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unpacks to more than 64 MiB"):
        load(tmp_path, gzip.compress(b"text,label\n" + b"word word\n" * (7 << 20), 1), "a.csv.gz")


def test_a_home_folder_is_found_and_a_web_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.csv").write_bytes(content(rows()[:50]))
    (tmp_path / "b.csv").write_bytes(content(rows()[50:]))
    assert all_rows(Csv(path="~/a.csv").load()) == dict(rows()[:50])
    assert Csv(path="~/a.csv", test_path="~/b.csv").load().test.texts == tuple(t for t, _ in rows()[50:])
    with pytest.raises(DataError, match="a web address; download the file first"):
        Csv(path="https://example.org/a.csv").load()
