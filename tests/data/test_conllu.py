"""A small file written by hand, and files at fault."""

from pathlib import Path

import pytest

from stackcli.data.base import DataError
from stackcli.data.conllu import Conllu

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
    assert found["don't heat the flask ."] == ((1, 1, 3, 1, 1), "statement")  # 1-2 Don't and 5.1 are passed over
    assert len(found) == 39


BAD = {
    "columns": ("# label = a\n1\tIce\t_\n\n", "line 2 has 3 columns"),
    "head": ("# label = a\n" + ROW.format(head="x") + "\n", "the head is 'x'"),
    "beyond": ("# label = a\n" + ROW.format(head=7) + "\n", "a head beyond its 1 words"),
    "circle": ("# label = a\n" + ROW.format(head=2) + "2" + ROW.format(head=1)[1:] + "\n", "in a circle"),
    "label": (ROW.format(head=0) + "\n", "no comment '# label = ...'"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_at_fault_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    text, fragment = BAD[name]
    (tmp_path / "a.conllu").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        Conllu(path=str(tmp_path / "a.conllu")).load()
    assert fragment in str(error.value) and "a.conllu" in str(error.value)


def test_a_sentence_longer_than_allowed_is_refused() -> None:
    with pytest.raises(DataError, match=r"more than data\.max_len=3"):
        Conllu(path=str(SMALL), max_len=3).load()
