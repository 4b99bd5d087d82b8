"""The command export."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.helpers import stackattn


def test_the_runs_of_the_newest_study_are_on_stdout_as_csv(trained: Path) -> None:
    (stored,) = (trained / "outputs" / "runs").iterdir()
    done = stackattn("export", cwd=trained)
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    result = json.loads((stored / "result.json").read_text())
    assert row["run"] == stored.name and float(row["test_loss"]) == result["test_loss"] and done.returncode == 0
    (folder,) = (trained / "outputs" / "studies").iterdir()
    with (folder / "runs.csv").open(encoding="utf-8") as file:
        assert csv.DictReader(file).fieldnames == list(row)


def test_a_table_is_written_to_a_file_in_the_format_of_its_name(trained: Path, tmp_path: Path) -> None:
    (stored,) = (trained / "outputs" / "runs").iterdir()
    lines = (stored / "layers.jsonl").read_text().splitlines()
    target = tmp_path / "layers.json"
    (study,) = (p.name for p in (trained / "outputs" / "studies").iterdir())
    done = stackattn("export", study, "--table", "layers", "--to", str(target), cwd=trained)
    rows = json.loads(target.read_text())
    assert done.stdout == f"{target}\n" and len(rows) == len(lines)
    assert [row["g1"] for row in rows] == [json.loads(line).get("g1") for line in lines]


def test_parquet_is_written_to_a_file(trained: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done = stackattn("export", "--table", "curve", "--to", str(tmp_path / "c.parquet"), cwd=trained)
    assert done.returncode == 0 and parquet.read_table(tmp_path / "c.parquet").num_rows > 1
