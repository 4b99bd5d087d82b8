"""Draws an encoding's table before training, without and with a remedy: heat map, span of each dimension, singular
values."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stackcli.figures._figure import draw_in_style, legend, new, note, shade
from stackcli.figures._headline import headline
from stackcli.figures._lines import styles, swatch
from stackcli.figures._style import FULL, GREY

LEAST = 1e-5  # share of the largest; smaller numbers are rounding errors


@draw_in_style
def draw_encoding(tables: Mapping[str, np.ndarray[Any, Any]], flat: float) -> Figure | None:
    """Draws `tables`, name -> array (positions, dimensions), at most three. A dimension is called flat if its span is
    below the share `flat` of the largest."""
    figure, panels = new(FULL, 2.1, 1, len(tables) + 2)
    most = max(float(np.abs(rows).max()) for rows in tables.values())
    looks = dict(zip(tables, styles(len(tables)), strict=True))
    image = None
    for axes, (name, rows) in zip(panels.flat, tables.items(), strict=False):
        n, dims = rows.shape
        image = shade(axes, columns=range(dims), rows=range(n), values=rows, cmap="cividis", vmin=-most, vmax=most)
        axes.set_title(name)
        axes.set_xlabel("dimension (index)")
        axes.set_ylabel("position (tokens)")
        axes.invert_yaxis()
    reach, values = panels.flat[len(tables)], panels.flat[len(tables) + 1]
    for name, rows in tables.items():
        span = rows.max(0) - rows.min(0)
        look = {**looks[name], "marker": "", "linewidth": 1.0}
        reach.plot(np.maximum(span / span.max(), LEAST), **look)
        singular = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
        share = singular / max(singular[0], 1e-300)
        values.plot(range(1, int((share > LEAST).sum()) + 1), share[share > LEAST], **look)
    reach.axhline(flat, color=GREY, linestyle=":", linewidth=0.9)
    for axes, what, label in (
        (reach, "dimension (index)", "span over positions (share of the largest)"),
        (values, "singular value (index)", "size (share of the largest)"),
    ):
        axes.set_yscale("log")
        axes.set_xlabel(what, loc="right")  # inside the figure, however narrow the panel
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if image is not None:
        maps = list(panels.flat[: len(tables)])
        figure.colorbar(image, ax=maps, location="right", fraction=0.05, pad=0.02, label="value (token units)")
    legend(figure, [(swatch(**{**look, "marker": ""}), name) for name, look in looks.items()])
    headline(figure, "Does every position have a vector of its own?", "at initialisation")
    note(figure, f"dotted: below it a dimension is called flat ({100 * flat:.0f} %)")
    return figure
