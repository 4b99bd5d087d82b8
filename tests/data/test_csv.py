"""A user's own file as a data set."""

from pathlib import Path

import pytest

from stackcli.data.base import DataError
from stackcli.data.csv import Csv
from tests.data.examples import content, every_text, load, rows


def test_every_row_is_in_exactly_one_of_the_three_parts(tmp_path: Path) -> None:
    loaded = load(tmp_path, content(rows()))
    parts = every_text(loaded)
    assert parts["train"] | parts["val"] | parts["test"] == {t for t, _ in rows()}
    assert sum(map(len, parts.values())) == 60


def test_a_row_keeps_its_part_when_rows_are_appended(tmp_path: Path) -> None:
    small, large = load(tmp_path, content(rows(60))), load(tmp_path, content(rows(200)))
    for name, texts in every_text(small).items():
        assert texts <= every_text(large)[name]


def test_the_vocabulary_is_that_of_the_training_part(tmp_path: Path) -> None:
    loaded = load(tmp_path, content(rows()))
    numbers = {t.split()[2] for t in every_text(loaded)["train"]}
    assert {w for w in loaded.vocab if w.isdigit()} == numbers
    strange = next(i for i, t in enumerate(loaded.test.texts) if t.split()[2] not in numbers)
    assert loaded.test.tokens[strange][2] == 1


def test_a_test_file_is_the_test_part_and_its_texts_are_removed_from_training(tmp_path: Path) -> None:
    own = tmp_path / "test.csv"
    own.write_bytes(content([rows()[0], ("a new text of dogs", "dog")]))
    loaded = load(tmp_path, content(rows()), test_path=str(own))
    assert set(loaded.test.texts) == {rows()[0][0], "a new text of dogs"}
    assert rows()[0][0] not in loaded.train.texts + loaded.val.texts
    assert any("1 text is also in the test file" in n for n in loaded.notices)


def test_the_fingerprint_depends_on_the_content_and_not_on_the_path(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(content(rows()))
    assert Csv(path=str(tmp_path / "a.csv")).fingerprint() == Csv(path=str(tmp_path / "b.csv")).fingerprint()
    (tmp_path / "b.csv").write_bytes(content(rows(61)))
    assert Csv(path=str(tmp_path / "a.csv")).fingerprint() != Csv(path=str(tmp_path / "b.csv")).fingerprint()


BAD: dict[str, tuple[bytes, str]] = {
    "one class": (content([(t, "cat") for t, _ in rows()]), "only one class, 'cat'"),
    "label variants": (
        content([*rows(), ("another", "Cat ")]),
        "differ only in case, spaces, Unicode form or invisible characters: 'Cat', 'cat'",
    ),
    "few rows": (content([(f"text {i}", f"class {i}") for i in range(30)]), "for 30 classes; too few"),
    "many classes": (content([(f"text {i}", f"class {i}") for i in range(1500)]), "1500 classes, at most 1000"),
}


@pytest.mark.parametrize("name", BAD)
def test_rows_from_which_no_classifier_can_learn_are_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    data, fragment = BAD[name]
    with pytest.raises(DataError, match=r".") as error:
        load(tmp_path, data)
    assert fragment in str(error.value)


@pytest.mark.slow
def test_a_hundred_thousand_rows_load(tmp_path: Path) -> None:
    loaded = load(tmp_path, content(rows(100_000)))
    assert len(loaded.train) + len(loaded.val) + len(loaded.test) == 100_000
