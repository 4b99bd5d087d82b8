"""The list of figures, and what holds for each of them."""

import ast
import importlib
import inspect
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from stackcli.figures import base
from tests.analysis.attacked_studies import attacked_study
from tests.analysis.explanations import explained_study
from tests.figures import factory

FOLDER = Path(base.__file__).parent


def test_every_file_of_the_folder_is_a_figure() -> None:
    assert set(base.figure_names()) == {f.stem for f in FOLDER.glob("*.py") if not f.stem.startswith("_")} - {"base"}


def test_listing_figures_imports_none_of_them_and_drawing_never_imports_pyplot() -> None:
    code = (
        "import sys; from stackcli.figures import base; [base.describe_figure(n) for n in base.figure_names()];"
        "loaded = {m.split('.')[2] for m in sys.modules if m.startswith('stackcli.figures.')};"
        "assert {m for m in loaded if m != 'base' and m[0] != '_'} == set();"
        "from tests.figures import factory; f = factory.study(seeds=1);"
        "[base.load_figure(n)(f) for n in base.figure_names()];"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=FOLDER.parent.parent)


@pytest.mark.parametrize("name", base.figure_names())
def test_a_figure_is_one_public_function_and_describes_itself_in_one_line(name: str) -> None:
    module = importlib.import_module(f"stackcli.figures.{name}")
    public = [n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
    assert [n for n in public if not n.startswith("_")] == ["draw"]
    line = base.describe_figure(name)
    assert line.endswith(".") and len(line) <= 118 and line == (module.__doc__ or "").split("\n")[0]
    assert base.load_figure(name) is module.draw


@pytest.mark.parametrize("name", base.figure_names())
def test_a_figure_imports_neither_another_figure_nor_pyplot(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    used = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    own = [(n.module, a.name) for n in used for a in n.names if (n.module or "").startswith("stackcli")]
    shared = {("stackcli.figures", name) for name in ("base", "_curves", "_forest", "_levels", "_profiles")}
    assert set(own) <= shared | {("stackcli.analysis.study_data", "Frames")}
    assert "pyplot" not in ast.dump(tree)


def test_the_error_for_an_unknown_figure_names_the_nearest_and_all_figures() -> None:
    for ask in (base.load_figure, base.describe_figure):
        with pytest.raises(ValueError, match=r"no figure 'gradeint'; did you mean gradient.* Choose from accuracy,"):
            ask("gradeint")


@pytest.mark.parametrize("name", base.figure_names())
def test_a_study_without_runs_draws_nothing(name: str) -> None:
    assert base.load_figure(name)(factory.empty()) is None


@pytest.mark.parametrize("name", base.figure_names())
def test_runs_that_never_started_draw_nothing(name: str) -> None:
    frames = factory.study({"depth": [1, 2]}, diverged=[(f"depth={d}", s) for d in (1, 2) for s in range(3)])
    frames.runs["status"] = "missing"
    frames.runs["step_ms"] = math.nan
    assert base.load_figure(name)(frames) is None


SHOWN = ("accuracy", "confusion", "gradient", "overview", "position", "time")
EACH = [name if name in SHOWN else pytest.param(name, marks=pytest.mark.slow) for name in base.figure_names()]


@pytest.mark.parametrize("name", EACH)
def test_the_same_frames_give_the_same_bytes_whatever_the_users_settings(name: str, tmp_path: Path) -> None:
    own: dict[str, dict[str, list[Any]]] = {
        "sensitivity": {"lr": [1, 2]},
        "bias": {"pe": ["alibi", "t5"]},
        "remedies": factory.REMEDIES,
    }
    commands = {"importance": "search", "remedies": "remedies"}
    frames = factory.study(own.get(name, {"depth": [2, 4]}), seeds=2)
    layers = frames.layers.assign(signal=frames.layers["layer"] ** 0.5)
    frames = replace(frames, layers=layers, command=commands.get(name, "sweep"))
    frames = attacked_study(explained_study(frames, {"cp_lrp": 2.0, "occlusion": 1.0}))
    first = base.save(factory.draw(name, frames), tmp_path / "a", ("svg", "png"))
    with matplotlib.rc_context({"savefig.dpi": 50, "lines.linewidth": 9, "font.size": 20, "savefig.bbox": "tight"}):
        second = base.save(factory.draw(name, frames), tmp_path / "b", ("svg", "png"))
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
