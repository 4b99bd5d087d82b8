"""Sizes, matplotlib settings, colours, markers and units."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap

COLUMN, FULL = 3.35, 6.9  # inches: one column of a two-column page, and the whole page
SIZE = 7.0  # points: the smallest text
HEADLINE = 8.5  # points: the question above a figure
GREY = "0.4"
FORMATS = ("png", "svg", "pdf")
LINES = 9  # the most lines in a panel, and the most levels with a marker each
LEGEND = 6  # the most entries in a legend; more lines are named at their right end, or by a colour bar
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

# After Okabe and Ito's colours, from dark to light, with even steps of lightness so that they differ in grey too.
PALETTE = ("#000000", "#00508C", "#C0430A", "#008F68", "#CF7FB0", "#E8A81C", "#7CC8F2")
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
