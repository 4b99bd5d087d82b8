"""Gradient of the last block's last map against depth before training (G1, G3), theory dashed, and the first step."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

PANELS = {
    "g1": "G1, L2 norm of the gradient of\nthe last block's {} (nats)",
    "g3": "G3, alignment-free norm of the gradient of\nthe last block's {} (nats)",
    "update": "change of the logits by\nthe first step (nats, RMS)",
}
KEPT = ("run", "seed", "tensor", "g1", "g3")
LAW = (*base.SIZES, *base.LAW_SETTINGS)
Look = dict[str, Any]


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws geometric means over the measured seeds, and a dot for every seed; a line for each choice of the axes other
    than depth, with its exponent of G3. A dashed line has the exponent of theory and the mean height of its line."""
    table = _table(frames)
    if table.empty or table.loc[table["depth"] >= base.FIRST, "depth"].nunique() < 2:
        return None
    columns = [column for column in PANELS if column in table and len(base.finite(table[column]))]
    names = list(dict.fromkeys(table["scheme"]))
    kept = base.spread_evenly(names, base.LINES)
    looks = {n: {**base.styles(len(names))[names.index(n)], "linestyle": "-"} for n in kept}
    figure, (panels,) = base.new(base.FULL, 2.4, 1, len(columns), sharex=True)
    laws = {name: _law(frames, table[table["scheme"] == name]) for name in kept}
    for axes, column in zip(panels, columns, strict=True):
        axes.set_ylabel(PANELS[column].format("/".join(sorted(table["tensor"].unique(), reverse=True))))
        for name, look in looks.items():
            own = table[table["scheme"] == name]
            _line(axes, own, column, look)
            if column == "g3" and laws[name] is not None:
                _theory(axes, own, float(laws[name]), look)  # type: ignore[arg-type]
        _dress(axes, sorted(set(table["depth"])))
    entries = base.name_looks(panels[-1], [(_words(name, table, laws[name]), look) for name, look in looks.items()])
    theory = any(slope is not None for slope in laws.values())
    dashed = [(base.swatch(color=base.GREY, linestyle="--", linewidth=0.9), "theory of G3")] if theory else []
    base.legend(figure, [*entries, *dashed])
    base.headline(figure, "How does the last block's gradient scale with depth?", "at initialisation")
    base.note(figure, base.left_out(len(kept), len(names), "lines"))
    return figure


def _table(frames: Frames) -> pd.DataFrame:
    """Returns a row for each run: `scheme`, `depth`, `seed`, `run`, `tensor`, `g1` and `g3` of the last block's last
    map at step 0, and `update` if the first step was measured."""
    maps = base.last_map(frames.layers)
    if maps.empty:
        return maps
    maps, out = maps[maps["step"] == 0], []
    steps = frames.runs.set_index("run")["update"].to_dict() if "update" in frames.runs else {}
    for point in base.points(frames):
        rows = point.rows(maps, [*point.done, *(run for run, _ in point.broken)])
        values = zip(frames.axes, point.values, strict=True)
        others = [base.safe_text(v) if a == "arm" else f"{a}={base.safe_text(v)}" for a, v in values if a != "depth"]
        rows = rows.loc[rows["layer"] == point.depth, [k for k in KEPT if k in rows]]
        for row in rows.to_dict("records"):
            head = {"scheme": " ".join(others) or "all runs", "depth": point.depth, "update": steps.get(row["run"])}
            out.append({**head, **{k: row.get(k) for k in KEPT}})
    return pd.DataFrame(out).astype({"update": float}) if out else pd.DataFrame()


def _law(frames: Frames, rows: pd.DataFrame) -> float | None:
    """Returns the exponent of theory if it is the same for all depths and these share dim and ff."""
    runs = frames.runs[frames.runs["run"].isin(rows["run"])].filter(LAW).to_dict("records")
    found = {law.slope if (law := base.theory_of(run)) else None for run in runs}
    alike = all(len({run.get(size) for run in runs}) == 1 for size in base.SIZES)
    return found.pop() if len(found) == 1 and alike else None


def _words(name: str, table: pd.DataFrame, theory: float | None) -> str:
    """Returns a line's name with its exponent of G3, the mean over seeds."""
    seeds = table[table["scheme"] == name].groupby("seed")
    found = base.finite([base.slope(rows["depth"], rows["g3"]) for _, rows in seeds])
    if not len(found):
        return name
    beside = f", theory {base.number(theory)}" if theory is not None else ""
    return f"{name}: G3 ~ depth^{base.number(round(float(found.mean()), 2) + 0.0)}{beside}"


def _line(axes: Axes, rows: pd.DataFrame, column: str, look: Look) -> None:
    dots = {"color": look["color"], "alpha": 0.6, "markersize": 4, "markeredgewidth": 0}
    if rows["seed"].nunique() > 1:
        axes.plot(rows["depth"], rows[column].where(rows[column] > 0), ".", **dots, label="seeds")
    means = base.mean_by(rows, column, ["depth"], geometric=True)
    axes.plot(means.index.to_numpy(dtype=float), means.to_numpy(dtype=float), **look, label="mean")


def _theory(axes: Axes, rows: pd.DataFrame, slope: float, look: Look) -> None:
    """Draws a power of depth whose mean logarithm is that of the points."""
    means = base.mean_by(rows[rows["depth"] >= base.FIRST], "g3", ["depth"], geometric=True)
    if len(means) < 2:
        return
    depths = means.index.to_numpy(dtype=float)
    height = np.mean(np.log(means.to_numpy(dtype=float)) - slope * np.log(depths))
    axes.plot(
        depths, np.exp(height) * depths**slope, color=look["color"], linestyle="--", linewidth=0.9, label="theory"
    )


def _dress(axes: Axes, depths: list[int]) -> None:
    axes.set_yscale("log")
    axes.set_xscale("log", base=2)
    axes.set_xticks(depths, labels=[str(depth) for depth in depths])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(base.label("depth"))
