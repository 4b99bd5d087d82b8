"""Makes a figure, adds legend and small print, lays it out once, and saves it."""

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any, ParamSpec
from weakref import WeakKeyDictionary

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatter, LogLocator, NullFormatter, ScalarFormatter

from stackcli.analysis.study_data import Frames
from stackcli.common.atomic_files import write_file
from stackcli.figures._fonts import KEY, begin_figure, families, numbered_texts, remark
from stackcli.figures._headline import place_headline
from stackcli.figures._marks import spread_marks
from stackcli.figures._numbers import log_ticks, number
from stackcli.figures._style import COLUMN, FORMATS, FULL, GREY, SIZE, STYLE
from stackcli.figures._words import fit, safe_text, width

Draw = Callable[[Frames], Figure | None]
P = ParamSpec("P")


@contextmanager
def _style() -> Iterator[None]:
    """Applies our style on top of matplotlib's own defaults, so that a user's matplotlibrc changes nothing."""
    found = logging.getLogger("matplotlib.font_manager")  # says that a font for another script has no bold letters
    before = found.level
    found.setLevel(logging.ERROR)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: dict[Any, Any] = {**STYLE, "font.family": families()}
        matplotlib.rcParams.update(settings)
        try:
            yield
        finally:
            found.setLevel(before)


def draw_in_style(draw: Callable[P, Figure | None]) -> Callable[P, Figure | None]:
    """Decorates a function to draw in our style, and lays its figure out once, the same for every format."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure | None:
        begin_figure()
        with _style():
            figure = draw(*args, **kwargs)
            if figure is not None:
                note(figure, remark())
                _settle(figure)
                NUMBERED[figure] = numbered_texts()
        return figure

    return inside


def new(
    width: float, height: float, rows: int = 1, columns: int = 1, **layout: Any
) -> tuple[Figure, np.ndarray[tuple[int, int], Any]]:
    """Returns a figure of `width` by `height` inches and its panels (rows, columns); `layout` goes to
    `Figure.subplots`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
    FigureCanvasAgg(figure)  # reuse one renderer to measure text
    return figure, figure.subplots(rows, columns, squeeze=False, **layout)


def grid(count: int, most: int, height: float, **layout: Any) -> tuple[Figure, list[Axes]]:
    """Returns a figure of `count` panels, at most `most` in a row, each `height` inches high; a single panel is as wide
    as a text column."""
    rows = math.ceil(count / most)
    columns = math.ceil(count / rows)
    figure, axes = new(COLUMN if columns == 1 else FULL, height * rows + 0.25, rows, columns, **layout)
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


def leftmost(axes: Axes) -> bool:
    """Whether a panel is in the first column."""
    place = axes.get_subplotspec()
    return place is None or place.is_first_col()


def across(axes: Axes) -> int:
    """Returns the number of panels in a row of the figure."""
    place = axes.get_subplotspec()
    return 1 if place is None else int(place.get_gridspec().ncols)


def legend(
    figure: Figure, entries: Sequence[tuple[Artist, str]], axes: Axes | None = None, *, grow: bool = True
) -> None:
    """Adds a legend above all panels, or above `axes` only, in as many columns as fit. The figure grows by its height
    if `grow`; of legends side by side only one should grow it."""
    if not entries:
        return
    room = figure.get_figwidth() * 72 - 2 if axes is None else figure.get_figwidth() * 72 / across(axes) - 34
    texts = [fit(text, room - _HANDLE, lines=3) for _, text in entries]
    widths = [_HANDLE + max(map(width, text.split("\n"))) for text in texts]
    columns = next(n for n in range(len(texts), 0, -1) if n == 1 or sum(map(max, _columns(widths, n))) <= room)
    rows = math.ceil(len(texts) / columns)
    place: dict[str, Any] = {"loc": "outside upper center"}
    if axes is not None:
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    drawn = (figure if axes is None else axes).legend(
        [handle for handle, _ in entries],
        [str(i) for i in range(len(texts))],  # replaced below, as matplotlib skips labels that begin with _
        ncols=math.ceil(len(texts) / rows),
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.0,
        labelspacing=0.3,
        borderaxespad=0.2,
        borderpad=0.2,
        **place,
    )
    for artist, text in zip(drawn.get_texts(), texts, strict=True):
        artist.set_text(text)
    lines = max(map(sum, _columns([text.count("\n") + 1.0 for text in texts], math.ceil(len(texts) / rows))))
    figure.set_figheight(figure.get_figheight() + grow * (lines * 1.5 * SIZE + 4) / 72)


_HANDLE = 3.3 * SIZE  # the line in a legend, its distance from the text, and the space between columns


def _columns(items: list[float], count: int) -> list[list[float]]:
    """Splits the items into columns as a legend does: from top to bottom, the first columns one item longer."""
    rows, longer = divmod(len(items), count)
    ends = np.cumsum([0] + [rows + (i < longer) for i in range(count)])
    return [items[start:end] for start, end in pairwise(ends)]


def note(figure: Figure, *sentences: str) -> None:
    """Adds small print under the panels; the figure grows by its height. Empty sentences are left out."""
    before = figure.get_supxlabel()
    if text := "; ".join(filter(None, [before.replace("\n", " "), *sentences])):
        text = fit(text, figure.get_figwidth() * 72 - 12, lines=6)
        figure.supxlabel(text, x=0.01, ha="left", size=SIZE, color=GREY, linespacing=1.15)
        added = text.count("\n") - (before.count("\n") if before else -1)
        figure.set_figheight(figure.get_figheight() + added * 1.25 * SIZE / 72)


def bar(figure: Figure, colours: ScalarMappable, text: str, levels: Sequence[float] = (), **options: Any) -> None:
    """Adds a colour bar along the right edge, as high as all panels; a second one goes left of the first."""
    text = fit(text, figure.get_figheight() * 72 - 50, lines=2, size=STYLE["axes.labelsize"])
    engine: Any = figure.get_layout_engine()
    free = engine.get()["rect"][2] if engine.get()["rect"] else 1.0  # share of the width that the panels have
    inch = 1 / figure.get_figwidth()
    free -= (0.58 + 0.14 * (text.count("\n") + 1)) * inch
    place = figure.add_axes((free + 0.05 * inch, 0.1, 0.1 * inch, 0.8), label=_BAR)
    place.set_in_layout(False)
    engine.set(rect=(0, 0, free, 1))
    figure.colorbar(colours, cax=place, label=text, **options)
    if levels:
        place.set_yticks(levels, labels=[safe_text(level) for level in levels])
        place.set_yticks([], minor=True)


_BAR = "colour bar"


def blank(axes: Axes, text: str) -> None:
    """Writes in a panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", size=SIZE, color=GREY)


def shade(axes: Axes, *, columns: Any, rows: Any, values: Any, **options: Any) -> ScalarMappable:
    """Draws a heat map: a cell for each column, row (both evenly spaced numbers) and value, the first row at the
    bottom. Cells that are not finite are grey. Many cells become one image, as thousands of squares are slow."""
    axes.grid(False)
    axes.set_facecolor("0.85")
    cells = np.ma.masked_invalid(np.asarray(values, dtype=float))
    x, y = _edges(columns), _edges(rows)
    if cells.size <= 256:
        return axes.pcolormesh(x, y, cells, linewidth=0, **options)
    extent = (x[0], x[-1], y[0], y[-1])
    return axes.imshow(cells, origin="lower", extent=extent, aspect="auto", interpolation="none", **options)


CELLS = 5  # rows and columns of a heat map whose cells have room for a number


def write_cells(axes: Axes, columns: Any, rows: Any, values: Any, dark: float) -> None:
    """Writes the number in each cell of a heat map with few cells, as colours hide small differences; white on cells
    below `dark`."""
    values = np.asarray(values, dtype=float)
    figure: Any = axes.figure
    room = figure.get_figwidth() * 72 / across(axes) - 30
    if max(values.shape) > CELLS or room / values.shape[1] < width("0.00") + 2:
        return
    for i, j in np.ndindex(*values.shape):
        if np.isfinite(values[i, j]):
            ink = "white" if values[i, j] < dark else "black"
            axes.text(columns[j], rows[i], f"{values[i, j]:.2f}", ha="center", va="center", size=SIZE, color=ink)


def _edges(centres: Any) -> Any:
    centres = np.asarray(centres, dtype=float)
    half = np.diff(centres).min() / 2 if len(centres) > 1 else 0.5
    return np.append(centres - half, centres[-1] + half)


NUMBERED: WeakKeyDictionary[Figure, dict[str, int]] = WeakKeyDictionary()  # texts that a figure shows as a number


def _settle(figure: Figure) -> None:
    """Fixes the ticks, runs the layout once, drops tick labels that touch, and keeps the layout, so that saving
    changes nothing."""
    for text in figure.findobj(Text) if len(families()) > 1 else ():
        text.set_fontfamily(families())  # a font may have been found after the text was made
    pairs = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    for axis in pairs:
        _fix(axis)
    engine: Any = figure.get_layout_engine()
    engine.execute(figure)
    if _wrap(figure) | spread_marks(figure):
        engine.execute(figure)
    spread_marks(figure)
    boxes = [axes.get_position() for axes in figure.axes if axes.get_label() != _BAR]
    low, high = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    for axes in figure.axes:
        if axes.get_label() == _BAR:
            box = axes.get_position()
            axes.set_position((box.x0, low, box.width, high - low))
    for axis in pairs:
        _thin(axis)
    figure.set_layout_engine("none")
    place_headline(figure)


def _fix(axis: Axis) -> None:
    """Fixes the ticks at their current places and writes their numbers in our format."""
    if isinstance(axis.get_major_formatter(), ScalarFormatter | LogFormatter):
        low, high = sorted(axis.get_view_interval())
        log = isinstance(axis.get_major_locator(), LogLocator)
        places = log_ticks(low, high) if log else axis.get_majorticklocs()
        slack = 1e-9 * (high - low)
        axis.set_major_locator(FixedLocator([at for at in places if low - slack <= at <= high + slack]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def _wrap(figure: Figure) -> bool:
    """Breaks labels that are longer than their y axis into lines; returns whether there were any."""
    size, found = STYLE["axes.labelsize"], False
    for axes in figure.axes:
        words, room = axes.get_ylabel(), axes.get_position().height * figure.get_figheight() * 72
        if axes.get_label() != _BAR and max(width(line, size) for line in words.split("\n")) > room:
            axes.set_ylabel(fit(words, room, lines=3, size=size))
            found = True
    return found


def _thin(axis: Axis) -> None:
    """Removes tick labels that would touch their neighbour; the ticks and the first and last label stay."""
    low, high = sorted(axis.get_view_interval())
    side = "x" if isinstance(axis, XAxis) else "y"
    shown = [
        (at, text.get_text(), getattr(box, f"{side}0"), getattr(box, f"{side}1"))
        for at, text in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
        if low <= at <= high and text.get_visible() and text.get_text()
        for box in [text.get_window_extent()]
    ]
    turned = any(text.get_rotation() for text in axis.get_majorticklabels())
    gap = (3.0 if side == "x" and not turned else 0.0) * axis.get_figure().dpi / 72  # type: ignore[union-attr]
    shown.sort(key=lambda tick: tick[2])
    kept = shown[:1]
    for tick in shown[1:-1]:
        if tick[2] >= kept[-1][3] + gap and tick[3] + gap <= shown[-1][2]:
            kept.append(tick)
    kept += shown[-1:] if len(shown) > 1 else []
    if len(kept) < len(shown):
        places = {tick[0] for tick in kept}
        axis.set_ticks([tick[0] for tick in kept], labels=[tick[1] for tick in kept])
        axis.set_ticks([tick[0] for tick in shown if tick[0] not in places], minor=True)


def save(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Writes `stem`.png, `stem`.svg, ..., each under a temporary name that is then renamed; returns the paths.

    The same figure gives the same bytes, as no file holds a date. If texts were numbered as no font has their letters,
    the last file is their key. Raises ValueError for a format that is not png, svg
    or pdf."""
    if wrong := [name for name in formats if name not in FORMATS]:
        raise ValueError(f"figures are saved as {', '.join(FORMATS)}, not as {wrong[0]}")
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{name}") for name in dict.fromkeys(formats)]
    with _style():
        for text in figure.findobj(Text) if figure not in NUMBERED else ():  # it was not drawn in our style
            text.set_parse_math(False)
        for path in paths:
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                _print(figure, temporary, path.suffix[1:])
                os.replace(temporary, path)
            finally:
                figure.set_dpi(STYLE["figure.dpi"])  # vector formats change it
                temporary.unlink(missing_ok=True)
    if key := describe_numbers(figure):
        paths.append(stem.with_name(stem.name + KEY))
        write_file(paths[-1], key.replace("; ", "\n") + "\n")
    return paths


def describe_numbers(figure: Figure) -> str:
    """Returns the key of the texts that the figure shows as a number, "#1: TEXT; #2: TEXT"; empty without any."""
    return "; ".join(f"#{number}: {text}" for text, number in NUMBERED.get(figure, {}).items())


def _print(figure: Figure, path: Path, kind: str) -> None:
    """Draws once; `Figure.savefig` would draw twice, the first time for the layout, which is fixed already."""
    canvas: Any
    if kind == "png":
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(path, pil_kwargs={"compress_level": 3})  # half the time for a tenth more bytes
    elif kind == "svg":
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(path, metadata={"Date": None})
    else:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf  # imported here, as it is rarely needed

        canvas = FigureCanvasPdf(figure)
        canvas.print_pdf(path, metadata={"CreationDate": None})
