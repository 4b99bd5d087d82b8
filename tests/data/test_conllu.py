"""A small file written by hand, and files with errors."""

import shutil
from pathlib import Path

import pytest

from stackcli.data.base import DataError
from stackcli.data.conllu import Conllu
from tests.helpers import stackattn

SMALL = Path(__file__).with_name("small.conllu")
ROW = "1\tIce\t_\t_\t_\t_\t{head}\t_\t_\t_\n"


def test_words_trees_and_classes_are_those_of_the_file() -> None:
    loaded = Conllu(path=str(SMALL)).load()
    assert loaded.classes == ("question", "statement")
    found = {}
    for part in (loaded.train, loaded.val, loaded.test):
        for text, tree, label in zip(part.texts, part.trees, part.labels, strict=True):
            found[text] = (tree, loaded.classes[label])
    assert found["why does ice float ?"] == ((3, 3, 3, 3, 3), "question")
    assert found["don't heat the flask ."] == ((1, 1, 3, 1, 1), "statement")  # 1-2 Don't and 5.1 are skipped
    assert len(found) == 39


BAD = {
    "columns": ("# label = a\n1\tIce\t_\n\n", "line 2 has 3 columns"),
    "head": ("# label = a\n" + ROW.format(head="x") + "\n", "the head is 'x'"),
    "beyond": ("# label = a\n" + ROW.format(head=7) + "\n", "a head beyond its 1 words"),
    "circle": ("# label = a\n" + ROW.format(head=2) + "2" + ROW.format(head=1)[1:] + "\n", "form a circle"),
    "label": (ROW.format(head=0) + "\n", "no comment '# label = ...'"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    text, fragment = BAD[name]
    (tmp_path / "a.conllu").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        Conllu(path=str(tmp_path / "a.conllu")).load()
    assert fragment in str(error.value) and "a.conllu" in str(error.value)


def test_a_sentence_longer_than_max_len_is_refused() -> None:
    with pytest.raises(DataError, match=r"more than data\.max_len=3"):
        Conllu(path=str(SMALL), max_len=3).load()


# ---- comments, documents, line ends, heads

CASES = Path(__file__).with_name("cases")


def sentences(text: str, tmp_path: Path, **keys: str) -> list[tuple[list[str], list[int], str]]:
    (tmp_path / "a.conllu").write_bytes(text.encode())
    return list(Conllu(path=str(tmp_path / "a.conllu"), **keys).sentences())  # type: ignore[arg-type]


def row(number: int | str, form: str, head: int | str) -> str:
    return f"{number}\t{form}\t_\t_\t_\t_\t{head}\t_\t_\t_\n"


ICE = row(1, "Ice", 2) + row(2, "floats", 0)


def test_a_plain_file_is_read() -> None:
    loaded = Conllu(path=str(CASES / "c_plain.conllu")).load()
    assert sum(len(p) for p in (loaded.train, loaded.val, loaded.test)) == 60 and loaded.notices == ()
    assert set(loaded.train.trees) == {(0, 0, 0, 0, 0)}


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    loaded = Conllu(path=str(CASES / "c_line_separator.conllu")).load()
    assert sum(len(p) for p in (loaded.train, loaded.val, loaded.test)) == 60
    for sign in ("\u2028", "\u2029", "\x85", "\x0c", "\x0b", "\x1c", "\r"):
        text = f"# label = a\n# text = one{sign}two\n" + row(1, f"i{sign}ce", 0) + "\n"
        assert sentences(text, tmp_path) == [([" ".join(f"i{sign}ce".split())], [0], "a")], repr(sign)
    assert sentences(("# label = a\n" + ICE + "\n").replace("\n", "\r\n"), tmp_path) == [
        (["ice", "floats"], [1, 1], "a")
    ]


def test_a_comment_belongs_only_to_the_sentence_below_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the sentence at line 38 has no comment '# label = \.\.\.'"):
        Conllu(path=str(CASES / "c_comments_alone.conllu")).load()
    with pytest.raises(DataError, match="the sentence at line 5 has no comment"):
        sentences("# label = a\n" + ICE + "\n" + ICE, tmp_path)
    text = "# label = b\n\n# label = a\n" + ICE + "\n"
    assert [label for _, _, label in sentences(text, tmp_path)] == ["a"]


def test_a_comment_of_a_document_belongs_to_all_its_sentences(tmp_path: Path) -> None:
    text = (
        "# newdoc id = one\n# meta::genre = news\n# sent_id = 1\n" + ICE + "\n" + ICE + "\n# sent_id = 3\n" + ICE + "\n"
        "# newdoc id = two\n# meta::genre = talk\n" + ICE + "\n# meta::genre = quote\n# x = y\n" + ICE
    )
    labels = [label for _, _, label in sentences(text, tmp_path, label="meta::genre")]
    assert labels == ["news", "news", "news", "talk", "quote"]
    assert [x for _, _, x in sentences(text, tmp_path, label="newdoc id")] == ["one", "one", "one", "two", "two"]
    with pytest.raises(DataError, match="the sentence at line 7 has no comment '# sent_id"):
        sentences(text, tmp_path, label="sent_id")
    with pytest.raises(DataError, match="the sentence at line 7 has no comment '# meta::genre"):
        sentences("# newdoc\n# meta::genre = a\n" + ICE + "\n# newdoc\n" + ICE, tmp_path, label="meta::genre")


NUMBERED = {
    "from 2": (row(2, "a", 0), "line 2: the word's number is '2', not 1"),
    "twice": (row(1, "a", 0) + row(1, "b", 1), "line 3: the word's number is '1', not 2"),
    "a gap": (row(1, "a", 0) + row(3, "b", 1), "line 3: the word's number is '3', not 2"),
    "a word": (row("x", "a", 0), "the word's number is 'x', not 1"),
    "another script": (row("²", "a", 0), "the word's number is '²', not 1"),
    "its own head": (row(1, "a", 0) + row(2, "b", 2), "line 3: word 2 is its own head"),
    "a head of another script": (row(1, "a", "²"), "line 2: the head is '²', not a number"),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_words_must_be_numbered_from_one_and_have_another_word_as_head(name: str, tmp_path: Path) -> None:
    rows, said = NUMBERED[name]
    with pytest.raises(DataError) as error:
        sentences("# label = a\n" + rows + "\n", tmp_path)
    assert said in str(error.value)


def test_a_word_that_is_its_own_head_is_refused_with_its_line() -> None:
    with pytest.raises(DataError, match=r"line 38: word 2 is its own head; the head of a root is 0"):
        Conllu(path=str(CASES / "c_own_head.conllu")).load()


def test_several_roots_have_a_tree_each_and_are_counted() -> None:
    source = Conllu(path=str(CASES / "c_two_roots.conllu"))
    assert [tree for _, tree, _ in source.sentences() if tree != [0] * 5] == [[0, 0, 2, 0, 0]]
    (said,) = source.load().notices
    assert said.startswith("1 sentence has several roots, the first at line")


def test_words_without_heads_are_read_without_trees() -> None:
    loaded, whole = (Conllu(path=str(CASES / f"c_{name}.conllu")).load() for name in ("no_heads", "plain"))
    assert loaded.train.trees == () and len(loaded.train) + len(loaded.val) + len(loaded.test) == 60
    assert loaded.treeless == "line 2 has no head ('_')" and not whole.treeless
    assert loaded.notices == ("300 words have no head, the first at line 2: no trees",)


def test_only_an_encoding_that_needs_a_tree_refuses_words_without_heads(tmp_path: Path) -> None:
    shutil.copy(CASES / "c_no_heads.conllu", tmp_path / "a.conllu")
    line = ["data=conllu", "data.path=a.conllu", "depth=1", "dim=8", "heads=2", "steps=2", "batch=8", "seeds=1"]
    assert stackattn("train", *line, "pe=relative", cwd=tmp_path).returncode == 0
    refused = stackattn("train", *line, "pe=structural", cwd=tmp_path)
    *_, error = refused.stderr.splitlines()
    assert refused.returncode == 2 and error.startswith("error: ") and refused.stderr.count("error:") == 1
    assert "which data=conllu lack: line 2 has no head ('_')" in error


def test_case_and_unicode_form_are_normalised_as_in_other_texts(tmp_path: Path) -> None:
    text = "# label = a\n" + row(1, "STRASSE", 0) + row(2, "Straße", 1) + row(3, "cafe\u0301", 1) + "\n"
    assert sentences(text, tmp_path)[0][0] == ["strasse", "strasse", "café"]
