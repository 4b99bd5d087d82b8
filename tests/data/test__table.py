"""Reading tables: separators, quotes, headers and JSON lines."""

import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from stackcli.data._source import DataError
from stackcli.data._table import read_table
from stackcli.data.csv import Csv
from tests.data.examples import CASES, all_rows, content, load, rows, tsv

BAD: dict[str, tuple[bytes, str]] = {
    "header only": (b"text,label\n", "a header without rows"),
    "missing column": (
        content(rows()).replace(b"label", b"kind", 1),
        "no column label; its columns are text, kind; write data.label=COLUMN, or give the file a header line",
    ),
    "quote inside": (content(rows()) + b'"a" word,cat\n', "A cell that begins"),
    "JSON list": (json.dumps([{"text": t, "label": c} for t, c in rows()]).encode(), "JSON, but not JSON lines"),
    "JSON over lines": (json.dumps({"rows": rows()}, indent=1).encode(), "JSON, but not JSON lines; write one object"),
    "JSON lists": ("\n".join(json.dumps(row) for row in rows()).encode(), "JSON, but not JSON lines"),
    "JSON without labels": (b'{"text": "a"}\n' * 9, "no column label; its columns are text"),
    "long line": (content(rows()) + b"x" * 2_000_000 + b",cat\n", "line 62 has 2,000,004 characters"),
    "open quote": (content(rows()) + b'"open,cat\nmore,dog\n', "starts at line 62 cannot be read"),
    "mostly unreadable": (content(rows(20)) + b"one cell\n" * 10, "10 of 30 rows are unreadable"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_a_table_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    data, fragment = BAD[name]
    with pytest.raises(DataError, match=r".") as error:
        load(tmp_path, data)
    assert fragment in str(error.value)


# ---- quotes


def test_a_quote_in_a_tsv_is_an_ordinary_character() -> None:
    found = all_rows(Csv(path=str(CASES / "quote_first_word.tsv")).load())
    lines = (CASES / "quote_first_word.tsv").read_text().split("\n")[1:-1]
    assert found == dict(line.split("\t") for line in lines) and len(found) == 60
    assert found['"jump" jump swim swim walk 10'] == "motion"


def test_an_open_quote_in_a_tsv_does_not_affect_other_rows(tmp_path: Path) -> None:
    odd = [('"an open quote', "cat"), ('the quote closes"', "dog"), ('5" disk', "cat"), ('he said "no" twice', "dog")]
    loaded = load(tmp_path, tsv([*odd[:2], *rows(), *odd[2:]]), "a.tsv")
    assert all_rows(loaded) == dict([*rows(), *odd])
    assert any("quotes: 0 cells are enclosed by a pair of them, 1 begins with one" in n for n in loaded.notices)


def test_a_pair_of_quotes_encloses_a_cell_of_a_tsv_on_one_line(tmp_path: Path) -> None:
    wholes = ['"a ""quoted"" word"\tcat\n', '"a tab\there"\tdog\n', '"open "x" inner"\tcat\n']
    loaded = load(tmp_path, tsv(rows()) + "".join(wholes).encode(), "a.tsv")
    own = {'a "quoted" word': "cat", "a tab\there": "dog", '"open "x" inner"': "cat"}
    assert all_rows(loaded) == dict(rows()) | own
    assert "quotes: 2 cells are enclosed by a pair of them, 1 begins with one that is an ordinary character" in (
        loaded.notices
    )


def test_quoted_cells_of_a_tsv_span_lines_if_more_rows_are_readable_that_way(tmp_path: Path) -> None:
    buffer = io.StringIO()
    pairs = [(t.replace(" about", "\nabout") if i % 5 == 0 else t, c) for i, (t, c) in enumerate(rows())]
    csv.writer(buffer, delimiter="\t", lineterminator="\n").writerows([("text", "label"), *pairs])
    loaded = load(tmp_path, buffer.getvalue().encode(), "a.tsv")
    assert all_rows(loaded) == dict(pairs)
    assert any("12 rows span several lines" in n and "the longest 2 lines" in n for n in loaded.notices)


def test_quoted_cells_of_a_csv_that_span_lines_are_read_and_counted(tmp_path: Path) -> None:
    data = content(rows()) + b'"one, two\nthree ""four""",cat\n"open,cat\nx,cat\ny",dog\n'
    loaded = load(tmp_path, data)
    expected = dict(list(csv.reader(io.StringIO(data.decode())))[1:])
    assert all_rows(loaded) == expected and 'one, two\nthree "four"' in expected
    assert "2 rows span several lines, as their quotes say, the first at line 62, the longest 3 lines" in loaded.notices


def some_text(draw: random.Random, signs: list[str]) -> str:
    return "".join(draw.choice(signs) for _ in range(draw.randint(1, 8))).strip() or "x"


@pytest.mark.parametrize("between", [",", ";", "|", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_files_written_by_the_csv_module_are_read_back(between: str, quoting: Any, tmp_path: Path) -> None:
    draw, signs = random.Random(1), ["a", "b c", '"', '""', "'", " ", "é"]
    signs += [between, "\n"] if between != "\t" else []
    for _ in range(50):
        pairs = [(some_text(draw, signs), draw.choice("pq")) for _ in range(draw.randint(3, 30))]
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=between, quoting=quoting).writerows([("text", "label"), *pairs])
        (tmp_path / "a.csv").write_text(buffer.getvalue(), newline="")
        assert read_table(str(tmp_path / "a.csv"), "text", "label")[0] == pairs


def test_a_tsv_without_quoted_cells_is_read_as_it_is(tmp_path: Path) -> None:
    draw, signs = random.Random(2), ["a", "b c", '"x', 'x"', "'", '"', " "]
    for _ in range(100):
        pairs = [(some_text(draw, signs), draw.choice("pq")) for _ in range(draw.randint(3, 30))]
        pairs = [(text, label) for text, label in pairs if not (text[0] == text[-1] == '"')]
        (tmp_path / "a.tsv").write_bytes(tsv([*pairs, ("a", "p")]))
        assert read_table(str(tmp_path / "a.tsv"), "text", "label")[0] == [*pairs, ("a", "p")]


# ---- separators, headers, unreadable rows


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


def test_a_separator_inside_the_texts_is_not_taken_for_that_of_the_file(tmp_path: Path) -> None:
    pairs = [(f"{t}; {t}, again", c) for t, c in rows()]
    data = "text\tlabel\tn;m,o\n" + "".join(f"{t}\t{c}\t1\n" for t, c in pairs)
    assert all_rows(load(tmp_path, data.encode())) == dict(pairs)


def test_a_file_split_by_tabs_has_the_rows_of_the_same_file_split_by_commas(tmp_path: Path) -> None:
    data = content(rows()).replace(b",", b"\t")
    assert len(load(tmp_path, data, "a.tsv").train) == len(load(tmp_path, content(rows())).train)


def test_blank_and_unreadable_rows_are_left_out_with_a_notice(tmp_path: Path) -> None:
    data = content(rows()) + b"\n,\nonly one cell\nempty label,\n"
    loaded = load(tmp_path, data)
    assert "2 blank rows left out" in loaded.notices
    assert "2 unreadable rows left out, the first at line 64" in loaded.notices


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


@pytest.mark.parametrize("name,columns", [("two_text_columns.csv", "1 and 2"), ("two_label_columns.csv", "2 and 3")])
def test_two_columns_of_one_name_are_refused_with_their_numbers(name: str, columns: str) -> None:
    with pytest.raises(DataError, match=f"columns {columns} are both called"):
        Csv(path=str(CASES / name)).load()


def test_a_repeated_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    data = "text,note,note,label\n" + "".join(f"{t},x,y,{c}\n" for t, c in rows())
    assert all_rows(load(tmp_path, data.encode())) == dict(rows())


@pytest.mark.parametrize("name,text,label", [("numbers_in_header.csv", "0", "1"),
                                             ("spaces_in_header.csv", "Question (text)", "label")])  # fmt: skip
def test_columns_may_have_any_name(name: str, text: str, label: str) -> None:
    assert all_rows(Csv(path=str(CASES / name), text=text, label=label).load()) == all_rows(
        Csv(path=str(CASES / "plain.csv")).load()
    )


def test_a_file_without_a_header_is_refused_with_a_short_list_of_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load(tmp_path, ("long " * 400 + "text,cat\n" + ",".join("abcdefghijklmn") + "\n").encode())
    assert str(error.value).endswith(
        "no column text and label; its columns are long long long long long lo..., cat; "
        "write data.text=COLUMN data.label=COLUMN, or give the file a header line"
    )
    with pytest.raises(DataError, match=r"a, b, c, d, e, f, g, h, i, j and 4 more; write"):
        load(tmp_path, (",".join("abcdefghijklmn") + "\n1\n").encode())
