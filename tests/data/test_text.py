"""Windows of a file: each token asked for the next, parts that do not touch."""

from pathlib import Path

import pytest

from stackcli.data.base import DataError
from stackcli.data.text import Text
from tests.data.oracle import every_part, named

SENTENCE = "The ice floats. Why? Water is denser! "


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("".join(SENTENCE.replace("ice", f"ice{i % 7}") for i in range(120)), encoding="utf-8")
    return path


@pytest.mark.parametrize("unit", ["char", "word"])
def test_each_token_is_asked_for_the_next_one_of_the_file(file: Path, unit: str) -> None:
    loaded = Text(path=str(file), unit=unit, train_len=16, longest=2).load()  # type: ignore[arg-type]
    assert loaded.every and loaded.causal and [n for n, _ in loaded.longer] == [8, 16, 32]
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            assert tokens[1:] == asked[:-1]
    if unit == "char":
        text = "".join(t for tokens, _ in named(loaded, loaded.train) for t in tokens)
        assert file.read_text().startswith(text) and 0.75 < len(text) / file.stat().st_size < 0.81
        last = "".join(t for tokens, _ in named(loaded, loaded.test) for t in tokens)
        assert last in file.read_text()[-len(last) - 17 :]


def test_the_vocabulary_is_the_training_parts(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_text("ab" * 400 + "c" * 100, encoding="utf-8")
    loaded = Text(path=str(path), train_len=8).load()
    assert set(loaded.vocab) == {"<pad>", "<unk>", "a", "b"} and 1 in loaded.test.tokens[-1]


def test_a_short_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("too short", encoding="utf-8")
    with pytest.raises(DataError, match="9 chars"):
        Text(path=str(path)).load()
