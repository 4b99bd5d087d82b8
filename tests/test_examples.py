"""The package in examples/, installed and used as its README says."""

import json
import subprocess
import sys
from pathlib import Path

from tests.helpers import installed, stackattn

EXAMPLE = Path(__file__).parents[1] / "examples" / "recency"


def test_an_encoding_data_a_method_of_explanation_an_attack_and_a_figure_of_another_package_are_used_like_our_own(
    tmp_path: Path,
) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(EXAMPLE)], check=True, capture_output=True)
    small = ("data=last_letter", "data.size=1000", "dim=16", "heads=2", "ff=1", "epochs=8", "seeds=1", "lr=0.01")
    with installed(site):
        listed = stackattn("list", "pe", cwd=tmp_path)
        checked = stackattn("check", "pe=recency", "--figures", "none", cwd=tmp_path)
        done = stackattn("sweep", "pe=none,recency", *small, "--csv", "t.csv", cwd=tmp_path)
        run = next((tmp_path / "outputs" / "runs").iterdir()).name
        said = stackattn("explain", run, "--index", "0", "--method", "recency,occlusion", "--json", cwd=tmp_path)
        fooled = stackattn("attack", run, "attack=echo,reversal", "attack.budget=2", "--json", cwd=tmp_path)
        drawn = stackattn("plot", "--figure", "recency", "--figures", "png", cwd=tmp_path)
    assert "recency" in listed.stdout
    assert checked.returncode == 0 and "none failed" in checked.stdout
    assert done.returncode == 0, done.stderr
    assert said.returncode == 0, said.stderr
    row = json.loads(said.stdout)
    places, size = row["methods"]["recency"]["tokens"], len(row["tokens"])
    assert places == [(i + 1) / size for i in range(size)] and not row["methods"]["recency"]["signed"]
    assert fooled.returncode == 0, fooled.stderr
    echoed = [r for r in json.loads(fooled.stdout)["records"] if r["attack"] == "echo"]
    assert echoed and all(r["after"].split()[:2] == r["before"].split()[-1:] * 2 for r in echoed)
    assert all(r["after"].split()[2:] == r["before"].split()[2:] for r in echoed)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert {line.split(",")[1] for line in lines if "study" in line} == {"none", "recency"}
    assert drawn.returncode == 0 and (tmp_path / drawn.stdout.strip()).is_file()
