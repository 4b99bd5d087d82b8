"""What differs between two runs."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment.run_differences import (
    compare_runs,
    difference_rows,
    difference_sentences,
    first_difference,
)
from stackcli.experiment.store import Store
from tests.experiment.examples import default_config, publish_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.create()
    publish_run(store, "aa11", test_acc=0.5, test_right="1100", weights_hash="a" * 64)
    publish_run(store, "same", test_acc=0.5, test_right="1100", weights_hash="a" * 64)
    other = replace(default_config(), depth=7)
    publish_run(store, "bb22", loss=0.75, config=other, test_acc=0.75, test_right="0111", weights_hash="b" * 64)
    return store


def test_two_equal_runs_are_identical_to_the_bit(store: Store) -> None:
    found = compare_runs(store, "aa11", "same")
    assert found["identical"] and not (found["settings"] or found["result"] or found["source"])
    assert difference_sentences(found)[0] == "curve: identical, 1 row"
    assert difference_sentences(found)[-1] == "results and measurements are identical, to the bit"


def test_a_number_that_is_not_finite_equals_itself(store: Store) -> None:
    assert (
        math.isnan(store.result("aa11")["gap_end"]) and "gap_end" not in compare_runs(store, "aa11", "same")["result"]
    )


def test_settings_results_and_the_first_step_that_differ_are_named(store: Store) -> None:
    found = compare_runs(store, "aa11", "bb22")
    assert found["settings"] == {"depth": [2, 7]} and found["result"]["test_acc"] == [0.5, 0.75]
    assert not found["identical"] and found["curve"]["first_step"] == 1
    assert found["curve"]["values"] == {"train_loss": [0.5, 0.75]}
    rows = {row[0]: row[1:] for row in difference_rows(found, "result")}
    assert rows["test_acc"] == ("0.5", "0.75", "+0.25")
    assert rows["test_right"] == ("2 right", "3 right", "3 of 4 differ")
    assert rows["weights_hash"] == ("a" * 12, "b" * 12, "other weights")
    assert list(difference_rows(found, "settings")) == [("depth", "2", "7", "")]
    assert difference_sentences(found)[0] == "curve: differ from step 1 on: train_loss 0.5 and 0.75"


def curve(*losses: float) -> list[dict[str, Any]]:
    """A curve with these losses at steps 0, 10, 20, ..."""
    usual = {"epoch": 1.0, "lr": 0.1, "train_acc": 0.5, "val_loss": 0.6, "val_acc": 0.4}
    return [{"step": 10 * i, "train_loss": x, **usual} for i, x in enumerate(losses)]


def test_the_last_bit_of_a_number_is_a_difference() -> None:
    found = first_difference(curve(1.0, 0.5, 0.25), curve(1.0, math.nextafter(0.5, 1), 0.25))
    assert found["first_step"] == 10 and found["values"] == {"train_loss": [0.5, 0.5000000000000001]}


def test_a_shorter_curve_differs_where_it_ends() -> None:
    long, short = curve(1.0, 0.5, 0.25), curve(1.0, 0.5)
    for first, second, rows in ((long, short, [3, 2]), (short, long, [2, 3])):
        found = first_difference(first, second)
        assert found["first_step"] == 20 and found["rows"] == rows and not found["identical"]


def test_a_damaged_file_is_named_and_not_compared(store: Store) -> None:
    (store.run("bb22") / "curve.jsonl").write_text("")
    with pytest.raises(CorruptionError, match=r"curve\.jsonl: damaged"):
        compare_runs(store, "aa11", "bb22")
