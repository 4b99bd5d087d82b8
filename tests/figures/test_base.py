"""Sizes, text, scales, saving and the list of figures."""

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
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from stackcli.figures import base
from tests.figures import factory

FOLDER = Path(base.__file__).parent


def test_every_file_of_the_folder_is_a_figure() -> None:
    assert set(base.figure_names()) == {f.stem for f in FOLDER.glob("*.py") if not f.stem.startswith("_")} - {"base"}


def test_naming_and_describing_figures_imports_none_and_drawing_never_imports_pyplot() -> None:
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


def test_an_unknown_figure_is_answered_with_the_nearest_and_all_names() -> None:
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


@pytest.mark.parametrize("name", base.figure_names())
def test_the_same_frames_give_the_same_bytes_whatever_the_users_settings(name: str, tmp_path: Path) -> None:
    own = {"sensitivity": {"lr": [1, 2]}, "bias": {"pe": ["alibi", "t5"]}, "remedies": factory.REMEDIES}
    commands = {"importance": "search", "remedies": "remedies"}
    frames = factory.study(own.get(name, {"depth": [2, 4]}), seeds=2)
    layers = frames.layers.assign(signal=frames.layers["layer"] ** 0.5)
    frames = replace(frames, layers=layers, command=commands.get(name, "sweep"))
    first = base.save(factory.draw(name, frames), tmp_path / "a", ("svg", "png"))
    with matplotlib.rc_context({"savefig.dpi": 50, "lines.linewidth": 9, "font.size": 20, "savefig.bbox": "tight"}):
        second = base.save(factory.draw(name, frames), tmp_path / "b", ("svg", "png"))
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_saving_twice_gives_the_same_bytes_in_every_format(tmp_path: Path) -> None:
    figure = factory.draw("loss", factory.study(seeds=1))
    for kind in base.FORMATS:
        (one,) = base.save(figure, tmp_path / "a", [kind])
        before = one.read_bytes()
        base.save(figure, tmp_path / "other", base.FORMATS)
        base.save(figure, tmp_path / "a", [kind])
        assert one.read_bytes() == before and b"CreationDate" not in before and b"<dc:date>" not in before


def test_drawing_and_saving_leave_matplotlibs_settings_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    base.save(factory.draw("accuracy", factory.study(seeds=1)), tmp_path / "a")
    assert dict(matplotlib.rcParams) == before


def test_saving_returns_the_files_in_order_and_leaves_no_others(tmp_path: Path) -> None:
    figure = factory.draw("time", factory.study(seeds=1))
    paths = base.save(figure, tmp_path / "new" / "gap.v2", ["svg", "png", "svg"])
    assert paths == [tmp_path / "new" / "gap.v2.svg", tmp_path / "new" / "gap.v2.png"]
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)


def test_a_png_has_200_dots_an_inch(tmp_path: Path) -> None:
    figure = factory.draw("time", factory.study(seeds=1))
    (path,) = base.save(figure, tmp_path / "a", ["png"])
    across = int.from_bytes(path.read_bytes()[16:20], "big")
    assert across == int(base.COLUMN * 200)


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="png, svg, pdf, not as jpg"):
        base.save(factory.draw("time", factory.study(seeds=1)), tmp_path / "a", ["png", "jpg"])
    assert not list(tmp_path.iterdir())


def test_a_failed_save_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = factory.draw("time", factory.study(seeds=1))
    (path,) = base.save(figure, tmp_path / "a", ["svg"])
    before = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.backends.backend_svg.RendererSVG.finalize", fail)
    with pytest.raises(OSError, match="disk full"):
        base.save(figure, tmp_path / "a", ["svg"])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    assert figure.dpi == 200


def test_the_interval_is_students() -> None:
    # values and interval from a table of the t distribution: t(.975, 4) = 2.776445
    mean, low, high = base.interval([1.0, 2.0, 3.0, 4.0, 5.0, math.nan, math.inf])
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert (mean, low, high) == pytest.approx((3.0, 3 - half, 3 + half), abs=1e-6)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    mean, low, high = base.interval([0.5])
    assert mean == 0.5 and math.isnan(low) and math.isnan(high)
    assert all(map(math.isnan, base.interval([math.nan, None])))


def test_a_geometric_mean_leaves_out_what_has_no_logarithm() -> None:
    rows = pd.DataFrame({"layer": [1, 1, 1, 2, 2, 3], "g1": [1.0, 100.0, math.nan, 0.0, math.inf, -1.0]})
    assert base.mean_by(rows, "g1", ["layer"], geometric=True).to_dict() == {1: pytest.approx(10.0)}
    assert base.mean_by(rows, "g1", ["layer"]).to_dict() == {1: 50.5, 2: 0.0, 3: -1.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (-0.5, "−0.5"),
        (300, "300"),
        (1e-5, "10⁻⁵"),
        (2e6, "2×10⁶"),
        (0.30000000000000004, "0.3"),
    ],
)
def test_ticks_are_written_plainly(value: float, text: str) -> None:
    assert base.number(value) == text


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e3), (0.05, 0.6), (0.41, 0.43), (1.0, 1.0001), (3e-8, 5e-8)])
def test_a_logarithmic_axis_has_two_to_six_ticks_within_it(low: float, high: float) -> None:
    ticks = base.log_ticks(low, high)
    assert 2 <= len(ticks) <= 6 and low <= min(ticks) and max(ticks) <= high


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (r"$\frac{1}$", r"$\frac{1}$"),
        ("_x", "_x"),
        ("100 %", "100 %"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("whole 😀", "whole 😀"),
        ("two\nlines\x00", "two lines "),
        (True, "true"),
        (None, "–"),
        (1e-05, "1e-05"),
        (np.float64(0.1), "0.1"),
    ],
)
def test_a_users_text_is_drawn_as_typed_and_what_cannot_be_drawn_is_replaced(value: object, text: str) -> None:
    assert base.safe_text(value) == text


@pytest.mark.parametrize("text", ["word " * 40, "x" * 200, "日本語" * 30, "a", "", "pe=relative pe.clip=8 depth=16"])
def test_text_that_is_fitted_fits(text: str) -> None:
    for room, lines in ((40.0, 1), (60.0, 2), (100.0, 3)):
        fitted = base.fit(text, room, lines=lines).split("\n")
        assert len(fitted) <= lines and all(base.width(line) <= room for line in fitted)


def test_text_is_broken_between_words_and_keeps_its_end_when_shortened() -> None:
    assert base.fit("learned positions", base.width("learned posi")) == "learned\npositions"
    assert base.fit("depth=16 residual=post", base.width("depth=16 residual=po")) == "depth=16\nresidual=post"
    short = base.fit("a very long name, number 17", 60, lines=1)
    assert short.startswith("a v") and "…" in short and short.endswith("17")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([16, 1, 4, 2, 8], "log"),
        ([1e-4, 1e-3, 1e-2], "log"),
        ([1, 2, 3, 4, 5, 6], "even"),
        ([1, 2], "even"),
        ([0, 1, 2, 4], "even"),
        (["b", "a"], "category"),
        ([True, False], "category"),
        ([8.0, math.nan], "category"),
    ],
)
def test_numbers_that_look_geometric_lie_by_their_logarithm(values: list[Any], kind: str) -> None:
    scale = base.scale("x", values)
    assert scale.kind == kind
    if kind == "category":
        assert scale.levels == tuple(base.plain(value) for value in values)  # in the order met
    else:
        assert list(scale.levels) == sorted(values)


def test_twenty_depths_lie_evenly() -> None:
    assert base.scale("depth", range(1, 21)).kind == "even"


def test_points_are_sorted_by_the_axes_and_keep_broken_runs_apart() -> None:
    frames = factory.study({"depth": [8, 2], "pe": ["relative", "learned"]}, diverged=[("depth=8 pe=learned", 1)])
    points = base.points(frames)
    assert [p.values for p in points] == [(2, "relative"), (2, "learned"), (8, "relative"), (8, "learned")]
    assert points[3].remark == "diverged 1 of 3" and len(points[3].done) == 2 and points[0].remark == ""


def test_a_run_that_two_arms_share_is_taken_once_in_each() -> None:
    frames = factory.study({"arm": ["a", "b"]}, seeds=1)
    for frame in (frames.runs, frames.curve):
        frame["run"] = "the same"
    for point in base.points(frames):
        assert set(point.rows(frames.curve)["point"]) == {point.key}


@pytest.mark.parametrize("count", range(1, 10))
def test_lines_differ_in_colour_or_marker_and_the_first_six_in_grey(count: int) -> None:
    looks = [(to_rgb(s["color"]), s["marker"]) for s in base.styles(count)]
    assert len(set(looks)) == count
    grey = sorted(np.dot(to_rgb(s["color"]), [0.2126, 0.7152, 0.0722]) for s in base.styles(min(count, 6)))
    assert all(np.diff(grey) > 0.02)


def test_ordered_colours_grow_lighter_and_stay_off_white() -> None:
    grey = [np.dot(to_rgb(s["color"]), [0.2126, 0.7152, 0.0722]) for s in base.styles(12, ordered=True)]
    assert all(np.diff(grey) > 0) and grey[-1] < 0.8


def test_a_spread_keeps_both_ends() -> None:
    assert base.spread_evenly(range(20), 4) == [0, 6, 13, 19]
    assert base.spread_evenly("abc", 4) == ["a", "b", "c"]


@pytest.mark.parametrize("names", [("depth", "residual"), ("residual", "depth")])
def test_panels_of_two_axes_are_a_row_for_each_scheme_with_the_same_depths(names: tuple[str, str]) -> None:
    values: dict[str, list[Any]] = {"depth": [1, 2, 4, 8, 16], "residual": ["pre", "post"]}
    frames = factory.study({name: values[name] for name in names}, seeds=1)
    shown, across = base.facets(frames.axes, base.points(frames), 8, 4)
    assert across == 4
    at = [(point.values[names.index("residual")], point.depth) for point in shown]
    assert at == [(scheme, depth) for scheme in ("pre", "post") for depth in (1, 2, 8, 16)]
    assert base.facets(frames.axes, base.points(frames), 6, 3)[1] == 3
    assert [p.depth for p in base.facets(frames.axes, base.points(frames), 6, 3)[0]] == [1, 4, 16, 1, 4, 16]


def test_panels_that_make_no_rectangle_are_spread_evenly() -> None:
    whole = base.points(factory.study({"depth": [1, 2, 4, 8], "residual": ["pre", "post"]}, seeds=1))
    assert base.facets(("depth", "residual"), whole[:-1], 4, 4) == (base.spread_evenly(whole[:-1], 4), 4)
    one = base.points(factory.study({"depth": list(range(1, 11))}, seeds=1))
    assert [p.depth for p in base.facets(("depth",), one, 4, 4)[0]] == [1, 4, 7, 10]
    assert base.facets((), [], 8, 4) == ([], 4)


def test_many_lines_of_two_axes_are_split_and_a_depth_keeps_its_colour() -> None:
    few = base.lines(factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]}, seeds=1))
    assert few.split() == (few,)
    many = base.lines(factory.study({"depth": [1, 2, 4, 8], "residual": ["pre", "post"]}, seeds=1))
    pre, post = many.split()
    assert (pre.names, post.names) == (("residual=pre",), ("residual=post",))
    assert [p.values for p in post.points] == [(depth, "post") for depth in (1, 2, 4, 8)]
    for one, other in zip(pre.points, post.points, strict=True):
        assert pre.style(one) == post.style(other)


def test_a_stack_of_one_layer_is_seen_where_lines_have_no_markers() -> None:
    lines = base.lines(factory.study({"depth": list(range(1, 13))}, seeds=1))
    assert [bool(lines.style(point)["marker"]) for point in lines.points] == [True] + 11 * [False]


def test_layer_ticks_start_at_one_and_are_few() -> None:
    assert base.counts(8, first=0) == [0, 2, 4, 6, 8] and base.counts(1, first=0) == [0, 1]
    assert base.counts(4) == [1, 2, 3, 4] and base.counts(16) == [1, 4, 8, 12, 16] and len(base.counts(999)) <= 6
