"""Checks of the classes of labelled rows."""

import pytest

from stackcli.data._classes import check_classes, check_trained
from stackcli.data._source import DataError

TRAIN = [("one", "a"), ("two", "b"), ("three", "a")]


def parts(**changes: list[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    return {"train": TRAIN, "val": [("four", "a")], "test": [("five", "b")], **changes}


def test_classes_are_those_of_all_rows_in_order() -> None:
    given = parts()
    assert check_classes([*given["train"], *given["val"], *given["test"], ("six", "10")], given, "f") == (
        "10",
        "a",
        "b",
    )


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([("one", "a")], {}, "only one class, 'a'"),
        ([(str(i), str(i)) for i in range(1001)], {}, "1001 classes, at most 1000"),
        ([("one", "a"), ("two", "A")], {}, "differ only in case"),
        (TRAIN, {"test": []}, "leave nothing for test"),
        (TRAIN, {"test": [("five", "c")]}, "labels that the training file lacks: 'c'"),
        ([*TRAIN, ("x", "c"), ("y", "d")], {}, "3 training rows for 4 classes"),
    ],
)
def test_classes_that_cannot_be_learned_or_tested_are_refused(
    rows: list[tuple[str, str]], changes: dict[str, list[tuple[str, str]]], message: str
) -> None:
    with pytest.raises(DataError) as error:
        check_classes(rows, parts(**changes), "f")
    assert message in str(error.value)


def test_a_class_without_training_items_is_named() -> None:
    given = parts(val=[("four", "c")])
    (notice,) = check_trained(given, ("a", "b", "c"), "f")
    assert notice.startswith("class 'c' has no training item, so its 1 validation and 0 test items")
