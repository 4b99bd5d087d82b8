"""Figures: their panels, legends, layout and files."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from stackcli.figures import _figure, _lines, _style
from tests.figures import factory


def test_saving_twice_gives_the_same_bytes_in_every_format(tmp_path: Path) -> None:
    figure = factory.draw("loss", factory.study(seeds=1))
    for kind in _style.FORMATS:
        (one,) = _figure.save(figure, tmp_path / "a", [kind])
        before = one.read_bytes()
        _figure.save(figure, tmp_path / "other", _style.FORMATS)
        _figure.save(figure, tmp_path / "a", [kind])
        assert one.read_bytes() == before and b"CreationDate" not in before and b"<dc:date>" not in before


def test_drawing_and_saving_leave_matplotlibs_settings_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    _figure.save(factory.draw("accuracy", factory.study(seeds=1)), tmp_path / "a")
    assert dict(matplotlib.rcParams) == before


def test_saving_returns_the_files_in_order_and_leaves_no_others(tmp_path: Path) -> None:
    figure = factory.draw("time", factory.study(seeds=1))
    paths = _figure.save(figure, tmp_path / "new" / "gap.v2", ["svg", "png", "svg"])
    assert paths == [tmp_path / "new" / "gap.v2.svg", tmp_path / "new" / "gap.v2.png"]
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)


def test_a_png_has_200_dots_an_inch(tmp_path: Path) -> None:
    figure = factory.draw("time", factory.study(seeds=1))
    (path,) = _figure.save(figure, tmp_path / "a", ["png"])
    across = int.from_bytes(path.read_bytes()[16:20], "big")
    assert across == int(_style.COLUMN * 200)


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="png, svg, pdf, not as jpg"):
        _figure.save(factory.draw("time", factory.study(seeds=1)), tmp_path / "a", ["png", "jpg"])
    assert not list(tmp_path.iterdir())


def test_a_failed_save_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = factory.draw("time", factory.study(seeds=1))
    (path,) = _figure.save(figure, tmp_path / "a", ["svg"])
    before = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.backends.backend_svg.RendererSVG.finalize", fail)
    with pytest.raises(OSError, match="disk full"):
        _figure.save(figure, tmp_path / "a", ["svg"])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    assert figure.dpi == 200


def test_panels_fill_rows_of_equal_length_and_a_lone_one_is_a_column_wide() -> None:
    figure, panels = _figure.grid(5, 4, 1.6)
    # rows of 3 and 2 panels, not of 4 and 1
    assert tuple(figure.get_size_inches()) == pytest.approx((_style.FULL, 2 * 1.6 + 0.25))
    assert len(panels) == len(figure.axes) == 5 and {_figure.across(axes) for axes in panels} == {3}
    assert [_figure.leftmost(axes) for axes in panels] == [True, False, False, True, False]
    figure, (_,) = _figure.grid(1, 4, 1.6)
    assert figure.get_figwidth() == _style.COLUMN


def test_the_figure_grows_by_its_legend_and_its_small_print() -> None:
    figure, ((axes,),) = _figure.new(6.0, 2.0)
    _figure.legend(figure, [])
    _figure.note(figure, "", "")
    assert figure.get_figheight() == 2.0 and not figure.legends
    _figure.legend(figure, [(_lines.swatch(), "_a name that begins with a line")])
    assert figure.get_figheight() == pytest.approx(2.0 + (1.5 * _style.SIZE + 4) / 72)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_a name that begins with a line"]
    _figure.legend(figure, [(_lines.swatch(), "one")], axes, grow=False)
    before = figure.get_figheight()
    assert before == pytest.approx(2.0 + (1.5 * _style.SIZE + 4) / 72)
    _figure.note(figure, "first", "", "second")
    assert figure.get_supxlabel() == "first; second"
    assert figure.get_figheight() == pytest.approx(before + 1.25 * _style.SIZE / 72)


def test_a_crowded_figure_is_laid_out_without_overlap() -> None:
    @_figure.draw_in_style
    def draw() -> Figure:
        figure, panels = _figure.grid(3, 3, 1.6)
        for axes in panels:
            mesh = _figure.shade(axes, columns=range(3), rows=range(3), values=np.eye(3))
            axes.set_xticks(np.linspace(0, 2, 60), labels=[f"label {i}" for i in range(60)])
            axes.set_xlabel("step (index)")
            axes.set_ylabel("a label that is much too long for the height of its own axis (share)")
        _figure.bar(figure, mesh, "value (share)")
        _figure.legend(figure, [(_lines.swatch(), f"a line with a rather long name, number {i}") for i in range(12)])
        _figure.note(figure, *[f"sentence {i} of the small print" for i in range(9)])
        return figure

    figure = draw()
    assert figure is not None
    factory.check(figure)
    shown = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert shown[0] == "label 0" and shown[-1] == "label 59" and len(shown) < 20
    assert "\n" in figure.axes[0].get_ylabel()


def test_ticks_of_a_logarithmic_axis_are_few_powers_of_ten() -> None:
    @_figure.draw_in_style
    def draw() -> Figure:
        figure, ((axes,),) = _figure.new(3.0, 2.0)
        axes.set_yscale("log")
        axes.set_ylim(1e-8, 1e3)
        return figure

    figure = draw()
    assert figure is not None
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1", "100"]


@pytest.mark.parametrize("rows", [16, 17])  # 256 cells are squares, 272 an image
def test_a_heat_map_has_a_cell_around_each_row_and_column_and_is_grey_where_nothing_is_known(rows: int) -> None:
    values = np.arange(16.0 * rows).reshape(rows, 16)
    values[1, 2] = np.inf
    _, ((axes,),) = _figure.new(3.0, 2.0)
    _figure.shade(axes, columns=range(0, 32, 2), rows=range(1, rows + 1), values=values)
    cells = factory.cells(axes)
    assert np.ma.getmaskarray(cells).sum() == 1 and np.ma.getmaskarray(cells)[1, 2]
    assert np.allclose(cells.compressed(), values[np.isfinite(values)])
    assert (axes.get_xlim(), axes.get_ylim()) == ((-1, 31), (0.5, rows + 0.5))
    assert to_rgb(axes.get_facecolor()[:3]) == pytest.approx((0.85,) * 3)
