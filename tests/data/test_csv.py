"""A user's own file, and everything that can be wrong with one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stackcli.data.base import DataError, Loaded
from stackcli.data.csv import Csv


def rows(n: int = 60) -> list[tuple[str, str]]:
    return [(f"text number {i} about {'cats' if i % 2 else 'dogs'}", "cat" if i % 2 else "dog") for i in range(n)]


def content(pairs: list[tuple[str, str]]) -> bytes:
    return ("text,label\n" + "".join(f"{t},{c}\n" for t, c in pairs)).encode()


def load(tmp_path: Path, data: bytes, name: str = "a.csv", **keys: str) -> Loaded:
    (tmp_path / name).write_bytes(data)
    return Csv(path=str(tmp_path / name), **keys).load()  # type: ignore[arg-type]


def every_text(loaded: Loaded) -> dict[str, set[str]]:
    return {name: set(getattr(loaded, name).texts) for name in ("train", "val", "test")}


def test_the_three_parts_are_all_rows_and_do_not_overlap(tmp_path: Path) -> None:
    loaded = load(tmp_path, content(rows()))
    parts = every_text(loaded)
    assert parts["train"] | parts["val"] | parts["test"] == {t for t, _ in rows()}
    assert sum(map(len, parts.values())) == 60


def test_a_row_stays_where_it_is_when_rows_are_appended(tmp_path: Path) -> None:
    small, large = load(tmp_path, content(rows(60))), load(tmp_path, content(rows(200)))
    for name, texts in every_text(small).items():
        assert texts <= every_text(large)[name]


def test_the_vocabulary_knows_the_training_part_alone(tmp_path: Path) -> None:
    loaded = load(tmp_path, content(rows()))
    numbers = {t.split()[2] for t in every_text(loaded)["train"]}
    assert {w for w in loaded.vocab if w.isdigit()} == numbers
    strange = next(i for i, t in enumerate(loaded.test.texts) if t.split()[2] not in numbers)
    assert loaded.test.tokens[strange][2] == 1


def test_tsv_is_known_by_its_ending(tmp_path: Path) -> None:
    data = content(rows()).replace(b",", b"\t")
    assert len(load(tmp_path, data, "a.tsv").train) == len(load(tmp_path, content(rows())).train)


def test_blank_and_unreadable_rows_are_left_out_with_a_notice(tmp_path: Path) -> None:
    data = content(rows()) + b"\n,\nonly one cell\nempty label,\n"
    loaded = load(tmp_path, data)
    assert "2 blank rows left out" in loaded.notices
    assert "2 unreadable rows left out, the first at line 64" in loaded.notices


def test_a_test_file_is_the_test_part_and_its_texts_leave_the_training(tmp_path: Path) -> None:
    own = tmp_path / "test.csv"
    own.write_bytes(content([rows()[0], ("a new text of dogs", "dog")]))
    loaded = load(tmp_path, content(rows()), test_path=str(own))
    assert set(loaded.test.texts) == {rows()[0][0], "a new text of dogs"}
    assert rows()[0][0] not in loaded.train.texts + loaded.val.texts
    assert any("1 texts stand in the test file too" in n for n in loaded.notices)


def test_the_fingerprint_is_of_the_content_not_of_the_place(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(content(rows()))
    assert Csv(path=str(tmp_path / "a.csv")).fingerprint() == Csv(path=str(tmp_path / "b.csv")).fingerprint()
    (tmp_path / "b.csv").write_bytes(content(rows(61)))
    assert Csv(path=str(tmp_path / "a.csv")).fingerprint() != Csv(path=str(tmp_path / "b.csv")).fingerprint()


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "header only": (b"text,label\n", "a header and no rows"),
    "one class": (content([(t, "cat") for t, _ in rows()]), "only one class, 'cat'"),
    "missing column": (
        content(rows()).replace(b"label", b"kind", 1),
        "no column data.label=label; its columns are text",
    ),
    "latin-1": (content(rows()) + "é,cat\n".encode("latin-1"), "not UTF-8 at line 62"),
    "utf-16": (content(rows()).decode().encode("utf-16"), "UTF-16, not UTF-8"),
    "NUL": (content(rows()) + b"a\0b,cat\n", "line 62 holds a NUL byte"),
    "binary": (bytes(range(256)) * 20, "NUL byte"),
    "long line": (content(rows()) + b"x" * 2_000_000 + b",cat\n", "line 62 has 2,000,004 characters"),
    "open quote": (content(rows()) + b'"open,cat\nmore,dog\n', "starts at line 62 cannot be read"),
    "label variants": (content([*rows(), ("another", "Cat ")]), "differ in case or spaces alone: 'Cat', 'cat'"),
    "few rows": (content([(f"text {i}", f"class {i}") for i in range(30)]), "for 30 classes; too few"),
    "many classes": (content([(f"text {i}", f"class {i}") for i in range(1500)]), "1500 classes, at most 1000"),
    "mostly unreadable": (content(rows(20)) + b"one cell\n" * 10, "10 of 30 rows are unreadable"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_words(name: str, tmp_path: Path) -> None:
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
def test_a_place_that_holds_no_file_is_refused(name: str, tmp_path: Path) -> None:
    make, fragment = PLACES[name]
    if name == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    make(tmp_path / "x")
    with pytest.raises(DataError, match=fragment):
        Csv(path=str(tmp_path / "x")).load()


def test_no_path_says_what_to_type() -> None:
    with pytest.raises(DataError, match=r"data=csv data\.path=FILE"):
        Csv().load()


@pytest.mark.slow
def test_a_hundred_thousand_rows_load(tmp_path: Path) -> None:
    loaded = load(tmp_path, content(rows(100_000)))
    assert len(loaded.train) + len(loaded.val) + len(loaded.test) == 100_000
