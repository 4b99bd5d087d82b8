"""The command plot."""

import shutil
from pathlib import Path

from stackcli.common import registry
from tests.helpers import stackattn


def test_plot_draws_again_what_a_study_has_drawn(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    first = {p.name: p.read_bytes() for p in tmp_path.glob("outputs/studies/*/*.svg")}
    assert len(first) > 3
    for path in tmp_path.glob("outputs/studies/*/*.svg"):
        path.unlink()
    assert stackattn("plot", "--figures", "svg", cwd=tmp_path).returncode == 0
    assert {p.name: p.read_bytes() for p in tmp_path.glob("outputs/studies/*/*.svg")} == first
    typo = stackattn("plot", "--figure", "acuracy", cwd=tmp_path)
    assert typo.returncode == 2 and "did you mean accuracy?" in typo.stderr


def test_plot_without_a_study_says_what_to_run(tmp_path: Path) -> None:
    done = stackattn("plot", cwd=tmp_path)
    assert done.returncode == 2 and "no store" in done.stderr


def test_the_list_of_figures_says_in_a_line_what_each_shows(tmp_path: Path) -> None:
    done = stackattn("plot", "--list", cwd=tmp_path)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == sorted(names) == list(registry.part_names("figures"))
    assert all(len(line) > 30 for line in done.stdout.splitlines())
