"""The tables of a study for other programs."""

import io
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stackcli.common.records import LayerRow
from stackcli.experiment import study_export
from stackcli.experiment.store import Store
from tests.experiment.examples import publish_run
from tests.experiment.store_examples import filled_store, save_study


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = filled_store(tmp_path)
    numbers: dict[str, Any] = {"train_loss_end": 0.1 + 0.2, "test_loss": 1e-300, "params": 2**40 + 1}
    lists: dict[str, Any] = {
        "classes": ("=a", "b,c"),
        "acc_by_class": (1 / 3, 1.0),
        "by_length": ((4, 0.1, 2 / 3, 0.5),),
    }
    publish_run(store, "dd44", **numbers, **lists)
    publish_run(store, "ee55", status="diverged", diverged_step=3, train_loss_end=math.inf, test_acc=None)
    save_study(store, "s", ("dd44", "ee55", "ffff"))
    return store


def equal(a: Any, b: Any) -> bool:
    """Whether two cells are equal to the bit; a missing number and None are."""
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(equal, a, b))
    missing = [v is None or v is pd.NA or v != v for v in (a, b)]
    return all(missing) or bool(not any(missing) and a == b)


def listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def test_each_format_reads_back_to_equal_values(store: Store, tmp_path: Path) -> None:
    frame = study_export.study_table(store, "s", "runs")
    rows = frame.to_dict("records")
    csv = pd.read_csv(io.StringIO(study_export.to_text(frame, "csv")), engine="python")
    loaded = json.loads(study_export.to_text(frame, "json"))
    pytest.importorskip("pyarrow")
    study_export.write_table(frame, tmp_path / "x.parquet", "parquet")
    parquet = pd.read_parquet(tmp_path / "x.parquet").to_dict("records")
    assert list(csv) == list(frame) == list(loaded[0]) == list(parquet[0]) and len(rows) == 3
    lists = ("classes", "acc_by_class", "by_length", "confusion", "acc_by_output")
    for i, row in enumerate(rows):
        for key, value in row.items():
            cell, other = csv.to_dict("records")[i][key], loaded[i][key]
            cell = json.loads(cell) if key in lists and isinstance(cell, str) else cell
            assert equal(value, cell) or (value == "" and cell != cell), key
            assert equal(value, math.inf if other == "Infinity" else other), key
            told = [list(map(listed, item)) if key == "by_length" else item for item in listed(parquet[i][key])] if (
                key in lists and parquet[i][key] is not None
            ) else parquet[i][key]  # fmt: skip
            assert equal(value, told), key
    first = next(row for row in loaded if row["run"] == "dd44")
    assert first["train_loss_end"] == 0.30000000000000004 and first["params"] == 2**40 + 1
    assert first["by_length"] == [[4, 0.1, 2 / 3, 0.5]] and "test_right" not in first


@pytest.mark.parametrize("table", ["curve", "layers", "stack"])
def test_the_measurements_are_exported_too(table: str, store: Store, tmp_path: Path) -> None:
    frame = study_export.study_table(store, "s", table)
    loaded = json.loads(study_export.to_text(frame, "json"))
    csv = pd.read_csv(io.StringIO(study_export.to_text(frame, "csv")), engine="python")
    assert len(loaded) == len(csv) == len(frame) and {"run", "point", "seed", "depth"} <= set(csv)
    assert (table == "curve") == (len(frame) == 2)
    if table == "curve":
        assert [row["train_loss"] for row in loaded] == list(csv["train_loss"]) == [0.5, 0.5]
    if table == "layers":
        assert set(LayerRow.__dataclass_fields__) <= set(csv)
    pytest.importorskip("pyarrow")
    study_export.write_table(frame, tmp_path / "x.parquet", "parquet")
    assert len(pd.read_parquet(tmp_path / "x.parquet")) == len(frame)


def test_a_text_that_a_spreadsheet_takes_for_a_formula_is_escaped_in_csv_alone() -> None:
    frame = pd.DataFrame({"arm": ["=1+1", "plain"], "gap": [-0.5, 0.5]})
    assert study_export.to_text(frame, "csv") == "arm,gap\n'=1+1,-0.5\nplain,0.5\n"
    assert json.loads(study_export.to_text(frame, "json"))[0] == {"arm": "=1+1", "gap": -0.5}


def test_a_column_of_numbers_and_texts_is_text_in_parquet() -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"compile": [False, "auto", None]}, dtype=object)
    read = pd.read_parquet(io.BytesIO(study_export.to_parquet(frame)))["compile"]
    assert read.tolist()[:2] == ["false", "auto"] and read.isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("to", "given", "form"),
    [("", "", "csv"), ("-", "json", "json"), ("a.JSON", "", "json"), ("a.csv", "csv", "csv"), ("a.txt", "csv", "csv")],
)
def test_the_format_is_that_of_the_name_or_the_one_given(to: str, given: str, form: str) -> None:
    assert study_export.choose_format(to, given) == form


@pytest.mark.parametrize(
    ("to", "given", "said"),
    [
        ("a.txt", "", "must end with"),
        ("a", "", "must end with"),
        ("-", "xml", "choose csv"),
        ("a.csv", "json", "differ"),
        ("-", "parquet", "not text"),
    ],
)
def test_a_format_that_cannot_be_written_is_refused(to: str, given: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        study_export.choose_format(to, given)


def test_parquet_without_pyarrow_is_answered_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install 'stackattn\[parquet\]'"):
        study_export.choose_format("a.parquet", "")
