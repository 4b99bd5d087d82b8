"""The notebook in examples/, run by a kernel as by a reader, with small settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import environment, write_data

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "depth.ipynb"
SETTINGS = "settings = "  # begins the cell that is replaced


def outputs(cells: list[Any], kind: str) -> list[str]:
    """What the cells show of one kind, such as text/html."""
    found = (output.get("data", {}).get(kind) for cell in cells for output in cell.get("outputs", ()))
    return ["".join(text) for text in found if text]


def test_the_notebook_shows_a_study_a_table_a_figure_and_a_check() -> None:
    """As it is in the repository: with the outputs of a real run, and without an error."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [o for cell in code for o in cell["outputs"] if o["output_type"] == "error"]
    html = outputs(code, "text/html")
    assert "18 runs (18 done)" in html[0] and "test_acc_low" in html[1] and "none failed" in html[-1]
    assert len(outputs(code, "image/svg+xml")) == 1


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for name, value in environment(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1").items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    tiny = {"data": "csv", "data.path": str(write_data(tmp_path / "t.csv")), "steps": 2, "dim": 8, "heads": 2}
    (cell,) = (cell for cell in notebook.cells if cell.source.startswith(SETTINGS))
    cell.source = f"{SETTINGS}{tiny!r}"
    for cell in notebook.cells:
        cell.source = cell.source.replace("depth=[1, 2, 4]", "depth=[1, 2]").replace("seeds=3", "seeds=1")
    client = nbclient.NotebookClient(
        notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    html = outputs(notebook.cells, "text/html")
    assert "4 runs (4 done)" in html[0] and "none failed" in html[-1]
    assert len(outputs(notebook.cells, "image/svg+xml")) == 1
