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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.style import core as style_core
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.ticker import ScalarFormatter
from scipy.special import stdtrit

from stackcli import parts
from stackcli.frames import Frames

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
ORDERED = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, 256)), name="ordered")

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
    kept = {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in style_core.STYLE_BLACKLIST}
    with warnings.catch_warnings(), matplotlib.rc_context({**kept, **STYLE}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # it is drawn as a box, which says enough
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
    return figure, figure.subplots(rows, columns, squeeze=False, **layout)


def grid(count: int, most: int, height: float, **layout: Any) -> tuple[Figure, list[Axes]]:
    """Small multiples: `count` panels, at most `most` in a row; a lone one is a column wide. Panels are `height` in."""
    rows = math.ceil(count / most)
    columns = math.ceil(count / rows)
    figure, axes = new(COLUMN if columns == 1 else FULL, height * rows + 0.25, rows, columns, **layout)
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


def legend(figure: Figure, entries: Sequence[tuple[Artist, str]]) -> None:
    """A legend above the panels, in as many columns as fit; the figure grows by its height."""
    if not entries:
        return
    room = figure.get_figwidth() * 72 - 16
    handle = 3.7 * SIZE  # the line, its distance from the text, and the space between columns
    texts = [fit(text, room - handle, lines=3) for _, text in entries]
    widest = max(width(line) for text in texts for line in text.split("\n"))
    columns = max(1, min(len(texts), int((room + 1.2 * SIZE) // (widest + handle))))
    rows = math.ceil(len(texts) / columns)
    drawn = figure.legend(
        [handle for handle, _ in entries],
        [str(i) for i in range(len(texts))],  # put in afterwards: a label that begins with _ would be left out
        loc="outside upper center",
        ncols=math.ceil(len(texts) / rows),
        handlelength=2.0,
        handletextpad=0.5,
        columnspacing=1.2,
        labelspacing=0.3,
        borderaxespad=0.2,
        borderpad=0.2,
    )
    for artist, text in zip(drawn.get_texts(), texts, strict=True):
        artist.set_text(text)
    lines = rows * max(text.count("\n") + 1 for text in texts)
    figure.set_figheight(figure.get_figheight() + (lines * 1.5 * SIZE + 4) / 72)


def note(figure: Figure, *sentences: str) -> None:
    """Small print under the panels; the figure grows by its height. Empty sentences are left out."""
    if text := "; ".join(filter(None, sentences)):
        text = fit(text, figure.get_figwidth() * 72 - 12, lines=6)
        figure.supxlabel(text, x=0.01, ha="left", size=SIZE, color=GREY, linespacing=1.15)
        figure.set_figheight(figure.get_figheight() + (text.count("\n") + 1) * 1.25 * SIZE / 72)


def blank(axes: Axes, text: str) -> None:
    """Says in a panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", size=SIZE, color=GREY)


def shade(axes: Axes, *, columns: Any, rows: Any, values: Any, **options: Any) -> Any:
    """A heat map: a cell for each column position, row position (both evenly spaced) and value. What is not finite is
    left grey; large maps are stored in an SVG as an image."""
    axes.grid(False)
    axes.set_facecolor("0.85")
    cells = np.ma.masked_invalid(np.asarray(values, dtype=float))
    options.setdefault("rasterized", cells.size > 900)
    return axes.pcolormesh(_edges(columns), _edges(rows), cells, linewidth=0, **options)


def _edges(centres: Any) -> Any:
    centres = np.asarray(centres, dtype=float)
    half = np.diff(centres).min() / 2 if len(centres) > 1 else 0.5
    return np.append(centres - half, centres[-1] + half)


def _settle(figure: Figure) -> None:
    """Formats the ticks, runs the layout once, drops tick labels that touch, and keeps the layout."""
    pairs = [(axes, axis) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    for _, axis in pairs:
        if isinstance(axis.get_major_locator(), LogLocator):
            low, high = sorted(axis.get_view_interval())
            axis.set_major_locator(FixedLocator(log_ticks(low, high)))
        if isinstance(axis.get_major_formatter(), ScalarFormatter | LogFormatter):
            axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.set_minor_formatter(NullFormatter())
    engine: Any = figure.get_layout_engine()
    engine.execute(figure)
    for _, axis in pairs:
        _thin(axis)
    figure.set_layout_engine("none")


def _thin(axis: Axis) -> None:
    """Labels that would touch their neighbour become bare ticks; the first and the last label stay."""
    low, high = sorted(axis.get_view_interval())
    side = "x" if axis.axis_name == "x" else "y"
    shown = [
        (at, text.get_text(), getattr(box, f"{side}0"), getattr(box, f"{side}1"))
        for at, text in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
        if low <= at <= high and text.get_visible() and text.get_text()
        for box in [text.get_window_extent()]
    ]
    gap = (3.0 if side == "x" else 0.0) * axis.get_figure().dpi / 72  # type: ignore[union-attr]
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
            text.set_parse_math(False)  # type: ignore[attr-defined]
        for path in paths:
            kind = path.suffix[1:]
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
            try:
                figure.savefig(temporary, format=kind, metadata=metadata)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
    return paths


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
        near = get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"no figure {name!r}; {hint}choose from {', '.join(names())}")
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


def geometric(values: Any) -> float:
    """Geometric mean of the positive finite values; NaN where there is none."""
    kept = finite(values)
    kept = kept[kept > 0]
    return float(np.exp(np.log(kept).mean())) if len(kept) else math.nan


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
    even = MaxNLocator(4).tick_values(low, high)
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
    return float(text_to_path.get_text_width_height_descent(sign, FontProperties(size=SIZE), False)[0])  # type: ignore[no-untyped-call]


def width(text: str, size: float = SIZE) -> float:
    """How wide a line of text is drawn, points."""
    return sum(map(_advance, text)) * size / SIZE


def fit(text: str, room: float, lines: int = 2, size: float = SIZE) -> str:
    """The text in at most `lines` lines of at most `room` points, broken between words where it can be; what is
    still too long ends in an ellipsis."""
    out: list[str] = []
    rest = typed(text).strip()
    while rest and width(rest, size) > room and len(out) < lines - 1:
        cut = _cut(rest, room, size)
        breaks = [m.end() for m in re.finditer(r"[\s,;:=/_+\-]", rest[:cut])]
        cut = breaks[-1] if breaks and breaks[-1] > cut / 3 else cut
        out.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if width(rest, size) > room:
        rest = rest[: _cut(rest, room - width("…", size), size)].rstrip() + "…"
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
            return self.levels.index(_key(value)) + shift
        if self.kind == "log":
            return float(value) * float(np.diff(np.log(self.levels)).mean() * shift + 0.0).__class__(
                math.exp(float(np.diff(np.log(self.levels)).min()) * shift)
            )
        gap = float(np.diff(self.levels).min()) if len(self.levels) > 1 else 1.0
        return float(value) + gap * shift
