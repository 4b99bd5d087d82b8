"""What every figure shares, from one place, and the list of figures.

A figure is a module of this folder: the first line of its docstring describes it, and its one public function
`draw(frames) -> Figure | None`, decorated with `styled`, draws it (None: there is nothing to draw). Text is never read
as mathematics, and matplotlib's global settings are left as they were.
"""

from importlib import import_module
from typing import Any

from stackcli import parts
from stackcli.figures._figure import Draw, across, bar, blank, grid, leftmost, legend, new, note, save, shade, styled
from stackcli.figures._laws import FIRST, SIZES, law, slope
from stackcli.figures._lines import Lines, counts, lines, styles, swatch
from stackcli.figures._numbers import finite, interval, log_ticks, mean_by, number
from stackcli.figures._points import Point, Scale, facets, last_map, left_out, plain, points, scale, spread
from stackcli.figures._style import COLUMN, DASHES, FORMATS, FULL, GREY, LINES, MARKERS, ORDERED, PALETTE, SIZE, STYLE
from stackcli.figures._verdicts import Part, compared, done
from stackcli.figures._words import fit, label, typed, width
from stackcli.stats import describe_mean
from stackcli.suggest import nearest

__all__ = [
    "COLUMN",
    "DASHES",
    "FIRST",
    "FORMATS",
    "FULL",
    "GREY",
    "LINES",
    "MARKERS",
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
    "bar",
    "blank",
    "compared",
    "counts",
    "describe",
    "describe_mean",
    "done",
    "facets",
    "finite",
    "fit",
    "grid",
    "interval",
    "label",
    "last_map",
    "law",
    "left_out",
    "leftmost",
    "legend",
    "lines",
    "load",
    "log_ticks",
    "mean_by",
    "names",
    "new",
    "note",
    "number",
    "plain",
    "points",
    "save",
    "scale",
    "shade",
    "slope",
    "spread",
    "styled",
    "styles",
    "swatch",
    "typed",
    "width",
]


def names() -> tuple[str, ...]:
    """Every figure, found by listing this folder (and installed entry points); nothing is imported."""
    return parts.names("figures")


def describe(name: str) -> str:
    """The figure in one line."""
    return parts.summary("figures", _known(name))


def load(name: str) -> Draw:
    """The figure's `draw`. Raises ValueError for a name that is no figure."""
    if parts.built_in("figures", _known(name)):
        found: Draw = import_module(f"stackcli.figures.{name}").draw
        return found
    foreign: Any = parts.load("figures", name)

    def draw(frames: Any) -> Any:
        with parts.blaming("figures", name, any_error=True):
            return foreign(frames)

    return draw


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(f"no figure {name!r}{nearest(name, names(), 'choose from ' + ', '.join(names()))}")
    return name
