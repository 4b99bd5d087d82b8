"""The package in examples/, installed and used as its README says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import stackattn

EXAMPLE = Path(__file__).parents[1] / "examples" / "recency"


@pytest.mark.slow
def test_an_encoding_a_data_set_and_a_figure_of_another_package_are_used_like_our_own(tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(EXAMPLE)], check=True, capture_output=True)
    at = {"cwd": tmp_path, "PYTHONPATH": str(site)}
    assert "recency" in stackattn("list", "pe", **at).stdout
    checked = stackattn("check", "pe=recency", "--figures", "none", **at)
    assert checked.returncode == 0 and "none failed" in checked.stdout
    small = ("data=last_letter", "data.size=1000", "dim=16", "heads=2", "ff=1", "epochs=8", "seeds=1", "lr=0.01")
    done = stackattn("sweep", "pe=none,recency", *small, "--csv", "t.csv", **at)
    assert done.returncode == 0, done.stderr
    rows = dict(line.split(",")[1:3] for line in (tmp_path / "t.csv").read_text().splitlines() if "study" in line)
    assert set(rows) == {"none", "recency"}
    drawn = stackattn("plot", "--figure", "recency", "--figures", "png", **at)
    assert drawn.returncode == 0 and (Path(tmp_path) / drawn.stdout.strip()).is_file()
