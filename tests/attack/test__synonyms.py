"""Tables of synonyms: what is read from them, and what is wrong with others."""

from pathlib import Path

import pytest

from stackcli.attack._synonyms import read_synonyms


def write(folder: Path, text: str, name: str = "table.csv") -> str:
    path = folder / name
    path.write_bytes(text.encode())
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "word,synonym\nbig,large\nbig,huge\nquick,fast\n",
        "synonym,word\nlarge,big\nhuge,big\nfast,quick\n",
        "word\tsynonym\nbig\tlarge\nbig\thuge\nquick\tfast\n",
        "\ufeffWord, Synonym\r\nBig, Large\r\nBIG,huge\r\n\r\nquick ,fast\r\n",
        "word,other,synonym\nbig,x,large\nbig,x,large\nbig,x,huge\nbig,x,big\n,x,small\nsmall,x,\nquick,x,fast",
    ],
)
def test_each_word_has_its_synonyms_in_the_order_of_the_file(tmp_path: Path, text: str) -> None:
    assert read_synonyms(write(tmp_path, text)) == {"big": ("large", "huge"), "quick": ("fast",)}


def test_a_synonym_of_a_synonym_is_none(tmp_path: Path) -> None:
    assert read_synonyms(write(tmp_path, "word,synonym\na,b\nb,c\n")) == {"a": ("b",), "b": ("c",)}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read as a table of synonyms: No such file"):
        read_synonyms(str(tmp_path / "none.csv"))


def test_a_folder_or_another_coding_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be read as a table of synonyms: Is a directory"):
        read_synonyms(str(tmp_path))
    (tmp_path / "latin.csv").write_bytes(b"word,synonym\nbig,gro\xdf\n")
    with pytest.raises(ValueError, match=r"latin\.csv: cannot be read as a table of synonyms: not UTF-8"):
        read_synonyms(str(tmp_path / "latin.csv"))


@pytest.mark.parametrize(
    ("text", "named"), [("word,other\nbig,large\n", "word, other"), ("a;b\n1;2\n", "a;b"), ("", "none")]
)
def test_wrong_columns_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ValueError, match=rf"table\.csv: .* columns word and synonym; this file has: {named}$"):
        read_synonyms(write(tmp_path, text))


@pytest.mark.parametrize("text", ["word,synonym\n", "word,synonym\nbig,\n,large\nbig,big\nbig\n"])
def test_a_table_without_a_pair_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"table\.csv: no row has both a word and a synonym"):
        read_synonyms(write(tmp_path, text))


@pytest.mark.parametrize("rows", [1, 20_000])
def test_an_open_quote_is_an_error_of_the_file(rows: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"table\.csv: cannot be read as a table of synonyms: "):
        read_synonyms(write(tmp_path, 'word,synonym\nbig,"large\n' + "big,huge\n" * rows))


@pytest.mark.parametrize(
    ("word", "other"),
    [
        *[("small", "large"), ("large", "small"), ("Increase", "DECREASE"), ("even", "odd"), ("with", "without")],
        *[("possible", "impossible"), ("unequal", "equal"), ("regular", "irregular"), ("linear", "non-linear")],
        *[("legal", "illegal"), ("dislike", "like"), ("antiparallel", "parallel"), ("definite", "indefinite")],
    ],
)
def test_an_antonym_is_refused_with_its_line(tmp_path: Path, word: str, other: str) -> None:
    text = f"word,synonym\nquick,rapid\n{word},{other}\n"
    with pytest.raises(ValueError, match=rf"table\.csv: line 3: '{other.lower()}' is an antonym of '{word.lower()}'"):
        read_synonyms(write(tmp_path, text))


@pytest.mark.parametrize("row", ["dear,,cheap", "cheap,,dear", "cheap,thrifty,dear"])
def test_a_column_of_antonyms_names_more_of_them_in_either_direction(tmp_path: Path, row: str) -> None:
    table = f"word,synonym,antonym\ndear,cheap,\n{row}\n"
    with pytest.raises(ValueError, match=r"line 2: 'cheap' is an antonym of 'dear'"):
        read_synonyms(write(tmp_path, table))
    kept = f"word,synonym,antonym\ndear,costly,\n{row}\n"
    assert read_synonyms(write(tmp_path, kept))["dear"] == ("costly",)


def test_words_that_begin_alike_are_no_antonyms(tmp_path: Path) -> None:
    table = "word,synonym\nunder,below\nequal,equals\nunion,join\ninner,inmost\n"
    assert len(read_synonyms(write(tmp_path, table))) == 4
