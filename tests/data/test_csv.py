"""A user's own file, and everything that can be wrong with one."""

import csv
import gzip
import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackcli.data.base import DataError, Loaded, read_table
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
    assert any("1 text stands in the test file too" in n for n in loaded.notices)


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
        "no column data.label=label; its columns are text, kind; does the file have a header?",
    ),
    "latin-1": (content(rows()) + "é,cat\n".encode("latin-1"), "not UTF-8 at line 62"),
    "latin-1, said": (content(rows()) + "é,cat\n".encode("latin-1"), "data.encoding=latin-1"),
    "utf-16": (content(rows()).decode().encode("utf-16"), "UTF-16, not UTF-8; write data.encoding=utf-16"),
    "utf-16 without a mark": (content(rows()).decode().encode("utf-16-le"), "write data.encoding=utf-16-le"),
    "a workbook": (b"PK\x03\x04" + bytes(200), "an Excel workbook (.xlsx); save the sheet as CSV"),
    "parquet": (b"PAR1" + bytes(200), "a Parquet file"),
    "cut gzip": (gzip.compress(content(rows()))[:-40], "a damaged gzip file"),
    "quote inside": (content(rows()) + b'"a" word,cat\n', "A cell that begins"),
    "JSON list": (json.dumps([{"text": t, "label": c} for t, c in rows()]).encode(), "JSON, but not JSON lines"),
    "JSON over lines": (json.dumps({"rows": rows()}, indent=1).encode(), "JSON, but not JSON lines; write one object"),
    "JSON lists": ("\n".join(json.dumps(row) for row in rows()).encode(), "JSON, but not JSON lines"),
    "JSON without labels": (b'{"text": "a"}\n' * 9, "no column data.label=label; its columns are text"),
    "NUL": (content(rows()) + b"a\0b,cat\n", "line 62 holds a NUL byte"),
    "binary": (bytes(range(256)) * 20, "NUL byte"),
    "long line": (content(rows()) + b"x" * 2_000_000 + b",cat\n", "line 62 has 2,000,004 characters"),
    "open quote": (content(rows()) + b'"open,cat\nmore,dog\n', "starts at line 62 cannot be read"),
    "label variants": (
        content([*rows(), ("another", "Cat ")]),
        "differ in case, spaces, Unicode form or invisible signs alone: 'Cat', 'cat'",
    ),
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


# ---- quotes

CASES = Path(__file__).with_name("cases")


def all_rows(loaded: Loaded) -> dict[str, str]:
    """Class of each text."""
    parts = (loaded.train, loaded.val, loaded.test)
    return {t: loaded.classes[c] for part in parts for t, c in zip(part.texts, part.labels, strict=True)}


def tsv(pairs: list[tuple[str, str]]) -> bytes:
    return ("text\tlabel\n" + "".join(f"{t}\t{c}\n" for t, c in pairs)).encode()


def test_a_quote_in_a_tsv_is_a_sign_like_any_other() -> None:
    found = all_rows(Csv(path=str(CASES / "quote_first_word.tsv")).load())
    lines = (CASES / "quote_first_word.tsv").read_text().split("\n")[1:-1]
    assert found == dict(line.split("\t") for line in lines) and len(found) == 60
    assert found['"jump" jump swim swim walk 10'] == "motion"


def test_an_open_quote_in_a_tsv_takes_no_other_row_with_it(tmp_path: Path) -> None:
    odd = [('"an open quote', "cat"), ('the quote closes"', "dog"), ('5" disk', "cat"), ('he said "no" twice', "dog")]
    loaded = load(tmp_path, tsv([*odd[:2], *rows(), *odd[2:]]), "a.tsv")
    assert all_rows(loaded) == dict([*rows(), *odd])
    assert any("quotes: 0 cells are enclosed by a pair of them, 1 begins with one" in n for n in loaded.notices)


def test_a_pair_of_quotes_encloses_a_cell_of_a_tsv_on_its_line(tmp_path: Path) -> None:
    wholes = ['"a ""quoted"" word"\tcat\n', '"a tab\there"\tdog\n', '"open "x" inner"\tcat\n']
    loaded = load(tmp_path, tsv(rows()) + "".join(wholes).encode(), "a.tsv")
    own = {'a "quoted" word': "cat", "a tab\there": "dog", '"open "x" inner"': "cat"}
    assert all_rows(loaded) == dict(rows()) | own
    assert "quotes: 2 cells are enclosed by a pair of them, 1 begins with one that is a sign like any other" in (
        loaded.notices
    )


def test_quoted_cells_of_a_tsv_span_lines_where_the_file_reads_better_so(tmp_path: Path) -> None:
    buffer = io.StringIO()
    pairs = [(t.replace(" about", "\nabout") if i % 5 == 0 else t, c) for i, (t, c) in enumerate(rows())]
    csv.writer(buffer, delimiter="\t", lineterminator="\n").writerows([("text", "label"), *pairs])
    loaded = load(tmp_path, buffer.getvalue().encode(), "a.tsv")
    assert all_rows(loaded) == dict(pairs)
    assert any("12 rows span several lines" in n and "the longest 2 lines" in n for n in loaded.notices)


def test_a_quoted_cell_of_a_csv_spans_lines_and_that_is_counted(tmp_path: Path) -> None:
    data = content(rows()) + b'"one, two\nthree ""four""",cat\n"open,cat\nx,cat\ny",dog\n'
    loaded = load(tmp_path, data)
    expected = dict(list(csv.reader(io.StringIO(data.decode())))[1:])
    assert all_rows(loaded) == expected and 'one, two\nthree "four"' in expected
    assert "2 rows span several lines, as their quotes say, the first at line 62, the longest 3 lines" in loaded.notices


def some_text(draw: random.Random, signs: list[str]) -> str:
    return "".join(draw.choice(signs) for _ in range(draw.randint(1, 8))).strip() or "x"


@pytest.mark.parametrize("between", [",", ";", "|", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_what_the_csv_module_writes_is_read_back(between: str, quoting: Any, tmp_path: Path) -> None:
    draw, signs = random.Random(1), ["a", "b c", '"', '""', "'", " ", "é"]
    signs += [between, "\n"] if between != "\t" else []
    for _ in range(50):
        pairs = [(some_text(draw, signs), draw.choice("pq")) for _ in range(draw.randint(3, 30))]
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=between, quoting=quoting).writerows([("text", "label"), *pairs])
        (tmp_path / "a.csv").write_text(buffer.getvalue(), newline="")
        assert read_table(str(tmp_path / "a.csv"), "text", "label")[0] == pairs


def test_a_tsv_without_whole_quoted_cells_is_read_sign_by_sign(tmp_path: Path) -> None:
    draw, signs = random.Random(2), ["a", "b c", '"x', 'x"', "'", '"', " "]
    for _ in range(100):
        pairs = [(some_text(draw, signs), draw.choice("pq")) for _ in range(draw.randint(3, 30))]
        pairs = [(text, label) for text, label in pairs if not (text[0] == text[-1] == '"')]
        (tmp_path / "a.tsv").write_bytes(tsv([*pairs, ("a", "p")]))
        assert read_table(str(tmp_path / "a.tsv"), "text", "label")[0] == [*pairs, ("a", "p")]


# ---- separators, headers, encodings

SEPARATED = {
    "semicolons": ("a.csv", content(rows()).replace(b",", b";"), "cells are split by a semicolon, as the header shows"),
    "tabs in a .csv": ("a.csv", content(rows()).replace(b",", b"\t"), "cells are split by a tab, as the header shows"),
    "commas in a .tsv": ("a.tsv", content(rows()), "cells are split by a comma, as the header shows"),
    "sep=;": ("a.csv", b"sep=;\n" + content(rows()).replace(b",", b";"), ""),
    "gzip": ("a.csv.gz", gzip.compress(content(rows())), ""),
    "gzip of a TSV": ("a.tsv.gz", gzip.compress(tsv(rows())), ""),
    "JSON lines": ("a.jsonl", "".join(json.dumps({"text": t, "label": c, "n": [1]}) + "\n" for t, c in rows()).encode(),
                   "read as JSON lines"),
    "old line ends": ("a.csv", content(rows()).replace(b"\n", b"\r"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SEPARATED)
def test_rows_are_read_as_the_header_shows(name: str, tmp_path: Path) -> None:
    file, data, notice = SEPARATED[name]
    loaded = load(tmp_path, data, file)
    assert all_rows(loaded) == dict(rows()) and loaded.train == load(tmp_path, content(rows())).train
    assert loaded.notices == ((notice,) if notice else ())


def test_a_separator_of_the_texts_is_not_taken_for_that_of_the_file(tmp_path: Path) -> None:
    pairs = [(f"{t}; {t}, again", c) for t, c in rows()]
    data = "text\tlabel\tn;m,o\n" + "".join(f"{t}\t{c}\t1\n" for t, c in pairs)
    assert all_rows(load(tmp_path, data.encode())) == dict(pairs)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
def test_other_encodings_are_the_same_data_set(encoding: str, tmp_path: Path) -> None:
    text = content([*rows(), ("café à la crème", "cat")]).decode()
    plain = load(tmp_path, text.encode())
    same = load(tmp_path, text.replace("\n", "\r\n").encode(encoding), "b.csv", encoding=encoding)
    assert same == plain and all_rows(same)["café à la crème"] == "cat"
    prints = [
        Csv(path=str(tmp_path / f), encoding=e).fingerprint() for f, e in (("a.csv", "utf-8"), ("b.csv", encoding))
    ]
    assert prints[0] == prints[1]


def test_a_mark_line_ends_and_packing_make_no_other_data_set_and_another_text_does(tmp_path: Path) -> None:
    data = content(rows())
    files = {"a": data, "b": b"\xef\xbb\xbf" + data, "c": data.replace(b"\n", b"\r\n"), "d": gzip.compress(data)}
    for name, one in {**files, "e": data.replace(b"cats", b"Cats", 1)}.items():
        (tmp_path / name).write_bytes(one)
    assert len({Csv(path=str(tmp_path / name)).fingerprint() for name in files}) == 1
    assert Csv(path=str(tmp_path / "e")).fingerprint() != Csv(path=str(tmp_path / "a")).fingerprint()


@pytest.mark.parametrize("name", ["rot13", "hex", "nothing", "base64", ""])
def test_what_is_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=rf"data\.encoding={name}: no text encoding"):
        Csv(encoding=name)


def test_line_ends_that_meet_the_end_of_a_block_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = content([*rows(), ("日本 é", "cat")]).replace(b"\n", b"\r\n")
    whole = load(tmp_path, data)
    for size in (1, 2, 3, 7):
        monkeypatch.setattr("stackcli.data._source.BLOCK", size)
        assert load(tmp_path, data) == whole
        with pytest.raises(DataError, match=r"line 62, byte \d+ \(0xe9\)"):
            load(tmp_path, content(rows()) + "é,cat\n".encode("latin-1"))


def test_a_gzip_file_that_unpacks_to_far_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unpacks to more than 64 MiB"):
        load(tmp_path, gzip.compress(b"text,label\n" + b"word word\n" * (7 << 20), 1), "a.csv.gz")


@pytest.mark.parametrize("name,columns", [("two_text_columns.csv", "1 and 2"), ("two_label_columns.csv", "2 and 3")])
def test_two_columns_of_one_name_are_refused_with_their_numbers(name: str, columns: str) -> None:
    with pytest.raises(DataError, match=f"columns {columns} are both called"):
        Csv(path=str(CASES / name)).load()


def test_a_repeated_column_that_is_not_asked_for_does_no_harm(tmp_path: Path) -> None:
    data = "text,note,note,label\n" + "".join(f"{t},x,y,{c}\n" for t, c in rows())
    assert all_rows(load(tmp_path, data.encode())) == dict(rows())


@pytest.mark.parametrize("name,text,label", [("numbers_in_header.csv", "0", "1"),
                                             ("spaces_in_header.csv", "Question (text)", "label")])  # fmt: skip
def test_columns_may_be_called_anything(name: str, text: str, label: str) -> None:
    assert all_rows(Csv(path=str(CASES / name), text=text, label=label).load()) == all_rows(
        Csv(path=str(CASES / "plain.csv")).load()
    )


def test_a_file_without_a_header_is_asked_about_one_shortly(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load(tmp_path, ("long " * 400 + "text,cat\n" + ",".join("abcdefghijklmn") + "\n").encode())
    assert str(error.value).endswith(
        "its columns are long long long long long lo..., cat; does the file have a header?"
    )
    with pytest.raises(DataError, match=r"a, b, c, d, e, f, g, h, i, j and 4 more; does"):
        load(tmp_path, (",".join("abcdefghijklmn") + "\n1\n").encode())


def test_unreadable_json_lines_are_counted(tmp_path: Path) -> None:
    good = [json.dumps({"text": t, "label": 1 + ("cats" in t)}) for t, _ in rows()]
    bad = [
        "{",
        '{"text": "a", "text": "b", "label": 1}',
        '{"text": ["a"], "label": 1}',
        '{"text": "\\ud800", "label": 2}',
    ]
    loaded = load(tmp_path, "\n".join([*good, *bad]).encode(), "a.jsonl")
    assert loaded.classes == ("1", "2") and len(all_rows(loaded)) == 60
    assert "4 unreadable rows left out, the first at line 61" in loaded.notices


def test_a_home_folder_is_found_and_a_web_address_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.csv").write_bytes(content(rows()[:50]))
    (tmp_path / "b.csv").write_bytes(content(rows()[50:]))
    assert all_rows(Csv(path="~/a.csv").load()) == dict(rows()[:50])
    assert Csv(path="~/a.csv", test_path="~/b.csv").load().test.texts == tuple(t for t, _ in rows()[50:])
    with pytest.raises(DataError, match="a web address; download the file first"):
        Csv(path="https://example.org/a.csv").load()


@pytest.mark.slow
def test_a_hundred_thousand_rows_load(tmp_path: Path) -> None:
    loaded = load(tmp_path, content(rows(100_000)))
    assert len(loaded.train) + len(loaded.val) + len(loaded.test) == 100_000
