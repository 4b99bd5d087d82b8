"""What every figure shares: sizes, one style, colours, scales, legends, saving, and the list of figures.

A figure is a module of this folder: the first line of its docstring describes it, and its one public function
`draw(frames) -> Figure | None`, decorated with `styled`, draws it (None: there is nothing to draw). Text is never read
as mathematics, and matplotlib's global settings are left as they were.
"""

import math
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    ScalarFormatter,
)
from scipy.special import stdtrit

from stackcli import parts
from stackcli.frames import Frames
from stackcli.suggest import nearest

Draw = Callable[[Frames], Figure | None]

COLUMN, FULL = 3.35, 6.9  # inches: one column of a two-column page, and the whole page
SIZE = 7.0  # points: the smallest text
GREY = "0.4"
FORMATS = ("png", "svg", "pdf")
LINES = 9  # most lines that one panel can tell apart by more than an ordered colour
STYLE: dict[str, Any] = {
    "figure.dpi": 200,
    "savefig.dpi": 200,
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.fontsize": SIZE,
    "text.parse_math": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    "svg.hashsalt": "stackattn",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}

# Okabe and Ito's colours from dark to light, without the yellow that vanishes on white; apart in grey, too.
PALETTE = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
PICKS = ((1,), (1, 5), (0, 2, 5), (0, 1, 3, 5), (0, 1, 2, 4, 5), (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5, 6))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (7, 2, 2, 2)))
ORDERED = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, 256)), name="ordered")

UNITS = {
    "depth": "blocks",
    "dim": "features",
    "heads": "heads per block",
    "ff": "multiples of dim",
    "dropout": "probability",
    "embed_std": "standard deviation",
    "epochs": "passes over the data",
    "steps": "optimiser steps",
    "batch": "sequences per step",
    "lr": "peak, per step",
    "warmup": "share of steps",
    "weight_decay": "per unit of lr",
    "clip": "gradient norm, nats",
    "label_smoothing": "share of the target",
    "patience": "evaluations",
    "threads": "CPU threads",
    "data.max_len": "tokens",
}


# --- the figure as an object ------------------------------------------------------------------------------------------


@contextmanager
def _style() -> Iterator[None]:
    """The one style, on top of matplotlib's own defaults: a user's matplotlibrc changes nothing."""
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # it is drawn as a box, which says enough
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def styled(draw: Draw) -> Draw:
    """Draws within the style, then lays the figure out once, for every format alike."""

    @wraps(draw)
    def inside(frames: Frames) -> Figure | None:
        with _style():
            figure = draw(frames)
            if figure is not None:
                _settle(figure)
        return figure

    return inside


def new(
    width: float, height: float, rows: int = 1, columns: int = 1, **layout: Any
) -> tuple[Figure, np.ndarray[tuple[int, int], Any]]:
    """A figure of `width` by `height` inches and its panels, (rows, columns); `layout` goes to `Figure.subplots`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
    FigureCanvasAgg(figure)  # one renderer to measure text with, not a new one each time
    return figure, figure.subplots(rows, columns, squeeze=False, **layout)


def grid(count: int, most: int, height: float, **layout: Any) -> tuple[Figure, list[Axes]]:
    """Small multiples: `count` panels, at most `most` in a row; a lone one is a column wide. Panels are `height` in."""
    rows = math.ceil(count / most)
    columns = math.ceil(count / rows)
    figure, axes = new(COLUMN if columns == 1 else FULL, height * rows + 0.25, rows, columns, **layout)
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


def leftmost(axes: Axes) -> bool:
    """Whether a panel stands in the first column."""
    place = axes.get_subplotspec()
    return place is None or place.is_first_col()


def legend(figure: Figure, entries: Sequence[tuple[Artist, str]], axes: Axes | None = None) -> None:
    """A legend above all panels, or above `axes` alone, in as many columns as fit; the figure grows by its height."""
    if not entries:
        return
    room = figure.get_figwidth() * 72 - (2 if axes is None else 34)
    texts = [fit(text, room - _HANDLE, lines=3) for _, text in entries]
    widths = [_HANDLE + max(map(width, text.split("\n"))) for text in texts]
    columns = next(n for n in range(len(texts), 0, -1) if n == 1 or sum(map(max, _columns(widths, n))) <= room)
    rows = math.ceil(len(texts) / columns)
    place: dict[str, Any] = {"loc": "outside upper center"}
    if axes is not None:
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    drawn = (figure if axes is None else axes).legend(
        [handle for handle, _ in entries],
        [str(i) for i in range(len(texts))],  # put in afterwards: a label that begins with _ would be left out
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
    figure.set_figheight(figure.get_figheight() + (lines * 1.5 * SIZE + 4) / 72)


_HANDLE = 3.3 * SIZE  # the line in a legend, its distance from the text, and the space between columns


def _columns(items: list[float], count: int) -> list[list[float]]:
    """The items in columns, as a legend sets them: one below the other, the first columns one longer."""
    rows, longer = divmod(len(items), count)
    ends = np.cumsum([0] + [rows + (i < longer) for i in range(count)])
    return [items[start:end] for start, end in pairwise(ends)]


def note(figure: Figure, *sentences: str) -> None:
    """Small print under the panels; the figure grows by its height. Empty sentences are left out."""
    if text := "; ".join(filter(None, sentences)):
        text = fit(text, figure.get_figwidth() * 72 - 12, lines=6)
        figure.supxlabel(text, x=0.01, ha="left", size=SIZE, color=GREY, linespacing=1.15)
        figure.set_figheight(figure.get_figheight() + (text.count("\n") + 1) * 1.25 * SIZE / 72)


def bar(figure: Figure, colours: ScalarMappable, text: str, levels: Sequence[float] = (), **options: Any) -> None:
    """A colour bar along the right edge, as high as all panels; a second one stands left of the first."""
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
        place.set_yticks(levels, labels=[typed(level) for level in levels])
        place.set_yticks([], minor=True)


_BAR = "colour bar"


def blank(axes: Axes, text: str) -> None:
    """Says in a panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", size=SIZE, color=GREY)


def shade(axes: Axes, *, columns: Any, rows: Any, values: Any, **options: Any) -> ScalarMappable:
    """A heat map: a cell for each column, row (both numbers, evenly spaced) and value, the first row at the bottom.
    What is not finite is left grey. Many cells are drawn as one image: a file of thousands of squares is slow."""
    axes.grid(False)
    axes.set_facecolor("0.85")
    cells = np.ma.masked_invalid(np.asarray(values, dtype=float))
    x, y = _edges(columns), _edges(rows)
    if cells.size <= 256:
        return axes.pcolormesh(x, y, cells, linewidth=0, **options)
    extent = (x[0], x[-1], y[0], y[-1])
    return axes.imshow(cells, origin="lower", extent=extent, aspect="auto", interpolation="none", **options)


def _edges(centres: Any) -> Any:
    centres = np.asarray(centres, dtype=float)
    half = np.diff(centres).min() / 2 if len(centres) > 1 else 0.5
    return np.append(centres - half, centres[-1] + half)


def _settle(figure: Figure) -> None:
    """Fixes the ticks, runs the layout once, drops tick labels that touch, and keeps the layout: nothing is left to
    be decided when the figure is drawn."""
    pairs = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    for axis in pairs:
        _fix(axis)
    engine: Any = figure.get_layout_engine()
    engine.execute(figure)
    if _wrap(figure):
        engine.execute(figure)
    boxes = [axes.get_position() for axes in figure.axes if axes.get_label() != _BAR]
    low, high = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    for axes in figure.axes:
        if axes.get_label() == _BAR:
            box = axes.get_position()
            axes.set_position((box.x0, low, box.width, high - low))
    for axis in pairs:
        _thin(axis)
    figure.set_layout_engine("none")


def _fix(axis: Axis) -> None:
    """Ticks where they are now, and our own words for numbers."""
    if isinstance(axis.get_major_formatter(), ScalarFormatter | LogFormatter):
        low, high = sorted(axis.get_view_interval())
        log = isinstance(axis.get_major_locator(), LogLocator)
        places = log_ticks(low, high) if log else axis.get_majorticklocs()
        slack = 1e-9 * (high - low)
        axis.set_major_locator(FixedLocator([at for at in places if low - slack <= at <= high + slack]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def _wrap(figure: Figure) -> bool:
    """Breaks labels that are longer than their y axis; whether there were any."""
    size, found = STYLE["axes.labelsize"], False
    for axes in figure.axes:
        words, room = axes.get_ylabel(), axes.get_position().height * figure.get_figheight() * 72
        if axes.get_label() != _BAR and max(width(line, size) for line in words.split("\n")) > room:
            axes.set_ylabel(fit(words, room, lines=3, size=size))
            found = True
    return found


def _thin(axis: Axis) -> None:
    """Labels that would touch their neighbour become bare ticks; the first and the last label stay."""
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
    """Writes `stem`.png, `stem`.svg, ...: each under a temporary name, then renamed. The same figure gives the same
    bytes: no file holds a date. Raises ValueError for a format that is not png, svg or pdf."""
    if wrong := [name for name in formats if name not in FORMATS]:
        raise ValueError(f"figures are saved as {', '.join(FORMATS)}, not as {wrong[0]}")
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{name}") for name in dict.fromkeys(formats)]
    with _style():
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        for path in paths:
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                _print(figure, temporary, path.suffix[1:])
                os.replace(temporary, path)
            finally:
                figure.set_dpi(STYLE["figure.dpi"])  # vector formats leave theirs
                temporary.unlink(missing_ok=True)
    return paths


def _print(figure: Figure, path: Path, kind: str) -> None:
    """Draws once. `Figure.savefig` draws twice, the first time for a layout that ours already has."""
    canvas: Any
    if kind == "png":
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(path, pil_kwargs={"compress_level": 3})  # half the time, a tenth more bytes
    elif kind == "svg":
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(path, metadata={"Date": None})
    else:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf  # only here: it is rarely asked for

        canvas = FigureCanvasPdf(figure)
        canvas.print_pdf(path, metadata={"CreationDate": None})


# --- the list of figures ----------------------------------------------------------------------------------------------


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
    return foreign  # type: ignore[no-any-return]


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(f"no figure {name!r}{nearest(name, names(), 'choose from ' + ', '.join(names()))}")
    return name


# --- numbers ----------------------------------------------------------------------------------------------------------


def interval(values: Any) -> tuple[float, float, float]:
    """Mean and 95 % t interval of the finite values; the bounds of fewer than two are NaN."""
    kept = finite(values)
    if len(kept) < 2:
        return (float(kept.mean()) if len(kept) else math.nan), math.nan, math.nan
    half = float(stdtrit(len(kept) - 1, 0.975)) * float(kept.std(ddof=1)) / math.sqrt(len(kept))
    return float(kept.mean()), float(kept.mean()) - half, float(kept.mean()) + half


def finite(values: Any) -> Any:
    """The finite values, as an array of floats."""
    kept = pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return kept[np.isfinite(kept)]


def mean_by(rows: pd.DataFrame, column: str, keys: list[str], *, geometric: bool = False) -> pd.Series:
    """Mean of the finite values (geometric: of the positive ones) by the keys; groups without any are left out."""
    values = pd.to_numeric(rows[column], errors="coerce").astype(float)
    values = values.where(np.isfinite(values) & ((values > 0) | (not geometric)))
    means = (np.log(values) if geometric else values).groupby([rows[key] for key in keys]).mean().dropna()
    return np.exp(means) if geometric else means


def number(value: float) -> str:
    """A tick: 0.25, 300, 10⁻⁵, 2×10⁶."""
    if value == 0 or 1e-3 <= abs(value) < 1e5 or not math.isfinite(value):
        return f"{value:.5g}".replace("-", "\N{MINUS SIGN}")
    mantissa, power = f"{value:.3e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".").replace("-", "\N{MINUS SIGN}")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if mantissa == "1" else f"{mantissa}×10{raised}"


def log_ticks(low: float, high: float) -> list[float]:
    """Two to six ticks of a logarithmic axis: powers of ten; over a short range 1, 2, 5; over a tiny one even steps."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(powers) > 2:
        return [10.0**power for power in powers[:: math.ceil(len(powers) / 6)]]
    around = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [digit * 10.0**power for power in around for digit in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    even = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    return inside if len(inside) > 1 else [float(step) for step in even if low <= step <= high]


# --- text -------------------------------------------------------------------------------------------------------------


def typed(value: object) -> str:
    """A user's text or value as it was typed, safe to draw: half a surrogate pair becomes �, a line break a space."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    whole = str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in whole)


def label(setting: str) -> str:
    """A setting with its unit: depth (blocks)."""
    return f"{typed(setting)} ({UNITS[setting]})" if setting in UNITS else typed(setting)


@cache
def _advance(sign: str) -> float:
    return float(text_to_path.get_text_width_height_descent(sign, FontProperties(size=SIZE), False)[0])


def width(text: str, size: float = SIZE) -> float:
    """How wide a line of text is drawn, points."""
    return sum(map(_advance, text)) * size / SIZE


def fit(text: str, room: float, lines: int = 2, size: float = SIZE) -> str:
    """The text in at most `lines` lines of at most `room` points, broken between words where it can be; of what
    is still too long the middle goes, as long names often differ at the end."""
    out: list[str] = []
    rest = typed(text).strip()
    while rest and width(rest, size) > room and len(out) < lines - 1:
        cut = _cut(rest, room, size)
        breaks = [m.end() for m in re.finditer(r"[\s,;:=/_+\-]", rest[:cut])]
        cut = breaks[-1] if breaks and breaks[-1] > cut / 3 else cut
        out.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if width(rest, size) > room:
        room -= width("…", size)
        tail = rest[len(rest) - _cut(rest[::-1], room / 2, size) :].lstrip()
        rest = rest[: _cut(rest, room - width(tail, size), size)].rstrip() + "…" + tail
    return "\n".join([*out, rest])


def _cut(text: str, room: float, size: float) -> int:
    """How many characters fit, at least one."""
    total = np.cumsum([_advance(sign) for sign in text]) * size / SIZE
    return max(1, int(np.searchsorted(total, room, side="right")))


# --- the swept settings -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """How the values of a setting lie on an axis: numbers evenly or by their logarithm, anything else one by one."""

    name: str
    levels: tuple[Any, ...]
    kind: Literal["even", "log", "category"]

    def at(self, value: Any, shift: float = 0.0) -> float:
        """The place of a value, moved by `shift` of the distance between neighbours."""
        if self.kind == "category":
            return self.levels.index(value) + shift
        if self.kind == "log":
            return float(value * math.exp(np.diff(np.log(self.levels)).min() * shift))
        gap = np.diff(self.levels).min() if len(self.levels) > 1 else abs(value) or 1.0
        return float(value + gap * shift)

    def dress(self, axes: Axes, side: Literal["x", "y"], room: float, most: float = 110) -> None:
        """Scale, limits, ticks and label of an axis that is `room` points long; `most`: of a turned label, points."""
        axis: Axis = getattr(axes, f"{side}axis")
        axis.set_label_text(label(self.name))
        if self.kind == "log":
            getattr(axes, f"set_{side}scale")("log", base=2)
        texts, turn = [typed(level) for level in self.levels], False
        if self.kind == "category":
            slot = room / len(texts) - 3
            turn = side == "x" and max(map(_longest_word, texts)) > slot
            flat = side == "x" and not turn
            texts = [fit(text, slot if flat else most, lines=3 if flat else 1) for text in texts]
            axis.grid(False)
        if turn and isinstance(axes.figure, Figure):
            axes.figure.set_figheight(axes.figure.get_figheight() + max(map(width, texts)) / 72)
        places = range(len(texts)) if self.kind == "category" else self.levels
        axis.set_ticks(list(places), labels=texts, rotation=90 if turn else 0)
        axis.set_ticks([], minor=True)
        ends = self.at(self.levels[0], -0.5), self.at(self.levels[-1], 0.5)
        getattr(axes, f"set_{side}lim")(*((-0.5, len(texts) - 0.5) if self.kind == "category" else ends))


def _longest_word(text: str) -> float:
    return max((width(word) for word in re.split(r"(?<=[\s,;:=/_+\-])", text)), default=0.0)


def scale(name: str, values: Any) -> Scale:
    """The scale of a setting: numbers sorted, anything else in the order met."""
    levels = list(dict.fromkeys(plain(value) for value in values))
    if not all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        return Scale(name, tuple(levels), "category")
    levels.sort()
    return Scale(name, tuple(levels), "log" if _spread_by_ratio(levels) else "even")


def _spread_by_ratio(levels: list[Any]) -> bool:
    """Whether the levels look like 1, 2, 4, 8 rather than 1, 2, 3, 4: their logarithms lie more evenly than they do."""
    if len(levels) < 3 or levels[0] <= 0:
        return False
    even, ratio = np.diff(levels), np.diff(np.log(levels))
    return bool(ratio.std() / ratio.mean() < even.std() / even.mean())


def plain(value: Any) -> Any:
    """A cell of a frame as the Python value that was set: 8.0 in a column with gaps is 8, NaN is None."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Point:
    """The runs of one point of a study, apart from those that never started."""

    key: str  # as it stands in the frames
    values: tuple[Any, ...]  # of the axes
    depth: int
    done: tuple[str, ...]  # runs
    broken: tuple[tuple[str, str], ...]  # run, and diverged, failed or lost

    @property
    def count(self) -> int:
        return len(self.done) + len(self.broken)

    @property
    def remark(self) -> str:
        """What went wrong, if anything: diverged 2 of 3."""
        kinds = Counter(status for _, status in self.broken)
        return ", ".join(f"{kind} {n} of {self.count}" for kind, n in kinds.items())

    def heading(self, room: float) -> str:
        """The point and what went wrong, as the title of a panel."""
        whole = ", ".join(filter(None, [typed(self.key), self.remark]))
        if width(whole, STYLE["axes.titlesize"]) <= room:
            return whole
        parts = [fit(text, room, size=STYLE["axes.titlesize"]) for text in (self.key, self.remark) if text]
        return "\n".join(parts)

    def rows(self, frame: pd.DataFrame, runs: Sequence[str] | None = None) -> pd.DataFrame:
        """The rows of the finished runs (or of `runs`) in a frame."""
        if frame.empty:
            return frame
        return frame[(frame["point"] == self.key) & frame["run"].isin(list(self.done if runs is None else runs))]


def points(frames: Frames) -> list[Point]:
    """The points of the study, sorted by the axes (a category in the order met)."""
    runs = frames.runs
    if runs.empty:
        return []
    runs = runs[runs["status"] != "missing"]
    scales = [scale(axis, runs[axis]) for axis in frames.axes]
    found = []
    for key, rows in runs.groupby("point", sort=False):
        done = rows["status"] == "done"
        broken = rows[~done]
        found.append(
            Point(
                key=str(key),
                values=tuple(plain(rows[axis].iloc[0]) for axis in frames.axes),
                depth=int(rows["depth"].iloc[0]),
                done=tuple(rows.loc[done, "run"]),
                broken=tuple(zip(broken["run"], broken["status"], strict=True)),
            )
        )
    found.sort(key=lambda point: [s.levels.index(v) for s, v in zip(scales, point.values, strict=True)])
    return found


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(most - 1, 1))] for i in range(most)]


def left_out(shown: int, total: int, what: str) -> str:
    """The sentence that says so, or nothing."""
    return f"{shown} of {total} {what} shown" if shown < total else ""


def styles(count: int, *, ordered: bool = False) -> list[dict[str, Any]]:
    """Colour, marker and dash of each of `count` lines: apart for the colour-blind and in grey."""
    if ordered:
        marks = MARKERS if count < LINES else ("",)
        where = np.linspace(0, 1, count) if count > 1 else [0.0]
        return [{"color": ORDERED(x), "marker": marks[i % len(marks)], "linestyle": "-"} for i, x in enumerate(where)]
    picks = PICKS[min(count, len(PICKS)) - 1]
    return [
        {
            "color": PALETTE[picks[i % len(picks)]],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": DASHES[i % len(DASHES)],
        }
        for i in range(count)
    ]


def counts(last: int) -> list[int]:
    """Ticks for layers: 1, and round multiples up to the last."""
    step = next(step for step in (1, 2, 4, 5, 10, 20, 50, 100, 1000, last) if last / step <= 5)
    return sorted({1, *range(step, last + 1, step)})


def swatch(**style: Any) -> Line2D:
    """A line for the legend."""
    return Line2D([], [], **style)


@dataclass(frozen=True)
class Lines:
    """A line for each point: colour by an ordered setting (the depth, if swept), dash and marker by all others."""

    points: tuple[Point, ...]
    total: int
    order: Scale | None
    keys: tuple[tuple[Any, ...], ...]  # values of the other axes
    names: tuple[str, ...]
    where: int  # of the ordered setting among the axes

    def style(self, point: Point) -> dict[str, Any]:
        """The line of a point, as keyword arguments of `plot`."""
        if self.order is None:
            return styles(len(self.points))[self.points.index(point)]
        style = styles(len(self.order.levels), ordered=True)[self.order.levels.index(self._level(point))]
        if len(self.order.levels) >= LINES:
            style["color"] = ORDERED(self._norm()(self._level(point)))
        if len(self.keys) > 1:
            i = self.keys.index(self._rest(point))
            style |= {"marker": MARKERS[i], "linestyle": DASHES[i]}
        return style

    def explain(self, figure: Figure, extra: Sequence[tuple[Artist, str]] = ()) -> None:
        """The legend; a colour bar instead of many ordered levels."""
        entries: list[tuple[Artist, str]] = []
        if self.order is None:
            entries = [(swatch(**self.style(p)), p.key) for p in self.points] if len(self.points) > 1 else []
        elif len(self.order.levels) < LINES:
            looks = zip(self.order.levels, styles(len(self.order.levels), ordered=True), strict=True)
            bare = {"marker": ""} if len(self.keys) > 1 else {}
            entries = [(swatch(**{**style, **bare}), f"{self.order.name}={typed(level)}") for level, style in looks]
        else:
            colours = ScalarMappable(self._norm(), ORDERED)
            bar(figure, colours, label(self.order.name), self.order.levels)
        if len(self.keys) > 1:
            dashes = zip(MARKERS, DASHES, self.names, strict=False)
            entries += [(swatch(color=GREY, marker=m, linestyle=d), name) for m, d, name in dashes]
        legend(figure, [*entries, *extra])

    @property
    def remarks(self) -> tuple[str, ...]:
        """Small print: what was left out, and what diverged."""
        return left_out(len(self.points), self.total, "points"), *(
            f"{p.key}: {p.remark}" for p in self.points if p.broken
        )

    def _norm(self) -> Normalize:
        assert self.order is not None
        kind = LogNorm if self.order.kind == "log" else Normalize
        return kind(self.order.levels[0], self.order.levels[-1])

    def _level(self, point: Point) -> Any:
        return point.values[self.where]

    def _rest(self, point: Point) -> tuple[Any, ...]:
        return tuple(value for i, value in enumerate(point.values) if i != self.where)


def lines(frames: Frames) -> Lines:
    """How the points of the study are told apart as lines of one panel."""
    found = points(frames)
    scales = [scale(axis, [p.values[i] for p in found]) for i, axis in enumerate(frames.axes)]
    numeric = [s for s in scales if s.kind != "category" and len(s.levels) > 1]
    order = next((s for s in numeric if s.name == "depth"), numeric[0] if numeric else None)
    if order is None:
        return Lines(tuple(spread(found, LINES)), len(found), None, (), (), -1)
    where = frames.axes.index(order.name)
    others = [axis for axis in frames.axes if axis != order.name]
    rest = {p: tuple(value for i, value in enumerate(p.values) if i != where) for p in found}
    keys = spread(list(dict.fromkeys(rest.values())), 4)
    texts = [" ".join(f"{a}={typed(v)}" for a, v in zip(others, key, strict=True)) for key in keys]
    return Lines(tuple(p for p in found if rest[p] in keys), len(found), order, tuple(keys), tuple(texts), where)


def last_map(layers: pd.DataFrame) -> pd.DataFrame:
    """The rows of each block's last linear map: ff2, or o in runs without a feed-forward map."""
    if layers.empty:
        return layers
    maps = layers[layers["tensor"].isin(["ff2", "o"])]
    with_ff = maps.loc[maps["tensor"] == "ff2", "run"].unique()
    return maps[(maps["tensor"] == "ff2") | ~maps["run"].isin(with_ff)]
