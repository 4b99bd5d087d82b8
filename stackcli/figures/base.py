"""The list of figures, and what all figures share.

A figure is a module of this folder: the first line of its docstring describes it, and its one public function
`draw(frames) -> Figure | None`, decorated with `draw_in_style`, draws it (None: there is nothing to draw). Text is
never parsed as mathematics, and matplotlib's global settings stay as they are.
"""

from importlib import import_module
from typing import Any

from stackcli.analysis.attack_effects import attack_shares
from stackcli.analysis.cost_scaling import fit_power
from stackcli.analysis.depth_scaling import FIRST, LAW_SETTINGS, SIZES, slope, theory_of
from stackcli.analysis.explanation_effects import method_rows
from stackcli.analysis.load_text import describe_load
from stackcli.analysis.paired_comparisons import finished_runs
from stackcli.analysis.statistics import describe_mean
from stackcli.analysis.study_comparisons import Part, all_comparisons, metric_of
from stackcli.analysis.summary_text import summary_sentences as summary
from stackcli.analysis.summary_text import verdict_sentences as verdict
from stackcli.common import registry
from stackcli.common.suggestions import suggest_nearest
from stackcli.figures._figure import (
    NUMBERED,
    Draw,
    across,
    bar,
    blank,
    describe_numbers,
    draw_in_style,
    grid,
    leftmost,
    legend,
    new,
    note,
    save,
    shade,
    write_cells,
)
from stackcli.figures._fonts import KEY
from stackcli.figures._headline import headline
from stackcli.figures._lines import Lines, counts, lines, name_looks, styles, swatch
from stackcli.figures._marks import mark_right
from stackcli.figures._numbers import finite, interval, log_ticks, mean_by, number
from stackcli.figures._panels import ACROSS, data_of, point_panels
from stackcli.figures._points import Point, Scale, last_map, left_out, plain, points, scale, spread_evenly
from stackcli.figures._style import (
    COLUMN,
    DASHES,
    FORMATS,
    FULL,
    GREY,
    LEGEND,
    LINES,
    MARKERS,
    ORDERED,
    PALETTE,
    SIZE,
    STYLE,
)
from stackcli.figures._words import fit, label, plain_text, safe_text, width

__all__ = [
    "ACROSS",
    "COLUMN",
    "DASHES",
    "FIRST",
    "FORMATS",
    "FULL",
    "GREY",
    "KEY",
    "LAW_SETTINGS",
    "LEGEND",
    "LINES",
    "MARKERS",
    "NUMBERED",
    "ORDERED",
    "PALETTE",
    "SIZE",
    "SIZES",
    "STYLE",
    "Draw",
    "Lines",
    "Part",
    "Point",
    "Scale",
    "across",
    "all_comparisons",
    "attack_shares",
    "bar",
    "blank",
    "counts",
    "data_of",
    "describe_figure",
    "describe_load",
    "describe_mean",
    "describe_numbers",
    "draw_in_style",
    "figure_names",
    "finished_runs",
    "finite",
    "fit",
    "fit_power",
    "grid",
    "headline",
    "interval",
    "label",
    "last_map",
    "left_out",
    "leftmost",
    "legend",
    "lines",
    "load_figure",
    "log_ticks",
    "mark_right",
    "mean_by",
    "method_rows",
    "metric_of",
    "name_looks",
    "new",
    "note",
    "number",
    "plain",
    "plain_text",
    "point_panels",
    "points",
    "safe_text",
    "save",
    "scale",
    "shade",
    "slope",
    "spread_evenly",
    "styles",
    "summary",
    "swatch",
    "theory_of",
    "verdict",
    "width",
    "write_cells",
]


def figure_names() -> tuple[str, ...]:
    """Returns the names of all figures in this folder and of installed entry points, without importing them."""
    return registry.part_names("figures")


def describe_figure(name: str) -> str:
    """Returns the description of a figure, one line."""
    return registry.part_summary("figures", _known(name))


def load_figure(name: str) -> Draw:
    """Returns the function that draws a figure. Raises ValueError for an unknown name."""
    if registry.built_in("figures", _known(name)):
        found: Draw = import_module(f"stackcli.figures.{name}").draw
        return found
    foreign: Any = registry.load_part("figures", name)

    def draw(frames: Any) -> Any:
        with registry.blame_part("figures", name, any_error=True):
            return foreign(frames)

    return draw


def _known(name: str) -> str:
    if name not in figure_names():
        raise ValueError(
            f"no figure {name!r}{suggest_nearest(name, figure_names(), 'choose from ' + ', '.join(figure_names()))}"
        )
    return name
