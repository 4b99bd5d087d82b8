"""Draws the attention of one text: a heat map for each layer and head, with the tokens at its sides."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from stackcli.figures._figure import bar, draw_in_style, new, note, shade
from stackcli.figures._headline import headline
from stackcli.figures._points import left_out, spread_evenly
from stackcli.figures._style import SIZE
from stackcli.figures._words import fit, safe_text

LAYERS, HEADS, TOKENS = 6, 8, 40
SIDE = 0.075  # inches of a token in a heat map
NAMES = 0.75  # inches of the tokens' names


@draw_in_style
def draw_attention(layers: Sequence[np.ndarray[Any, Any]], tokens: Sequence[str]) -> Figure | None:
    """Draws attention weights, (H, T, T) for each layer: rows are queries, columns are keys, from top left. Of more
    layers, heads or tokens than fit, evenly chosen layers and the first heads and tokens are drawn, and the figure says
    so."""
    if not layers or not len(tokens):
        return None
    shown = spread_evenly(list(range(len(layers))), LAYERS)
    heads, length = min(len(layers[0]), HEADS), min(len(tokens), TOKENS)
    side = max(0.9, SIDE * length)
    figure, panels = new(side * heads + NAMES + 0.7, (side + 0.16) * len(shown) + NAMES, len(shown), heads)
    names = [fit(safe_text(token), 45) for token in tokens[:length]]
    top = max(float(np.max(layers[layer][:heads, :length, :length])) for layer in shown)
    for row, layer in enumerate(shown):
        for head in range(heads):
            axes = panels[row, head]
            values = layers[layer][head, :length, :length]
            look = {"cmap": "cividis", "vmin": 0.0, "vmax": top or 1.0}
            mesh = shade(axes, columns=range(length), rows=range(length), values=values, **look)
            axes.invert_yaxis()
            axes.set_xticks(range(length), names if row == len(shown) - 1 else [], rotation=90, size=SIZE - 2)
            axes.set_yticks(range(length), names if head == 0 else [], size=SIZE - 2)
            axes.tick_params(length=0, pad=1)
            axes.set_title(f"layer {layer + 1}, head {head + 1}", size=SIZE, pad=2)
    bar(figure, mesh, "attention (share)")
    headline(figure, "Which tokens does each token attend to?", "weights of the trained run")
    note(
        figure,
        "rows: queries; columns: keys",
        left_out(len(shown), len(layers), "layers"),
        left_out(heads, len(layers[0]), "heads"),
        left_out(length, len(tokens), "tokens"),
    )
    return figure
