"""Whether an encoding's table of positions is degenerate: flat dimensions, effective rank, positions that coincide."""

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from stackcli.config.settings import Config, Part
from stackcli.diagnostics.checked_property import CLASSES, VOCAB, Property, mark
from stackcli.model import build

AT_ONCE = 2048  # rows whose distances are taken together
FLAT = 0.02  # a dimension that moves by less than this share of the liveliest one over all positions is flat

NEAR = 0.02  # two positions whose vectors lie closer than this share of the mean distance coincide


class Table(NamedTuple):
    """An additive table's health: share of flat dimensions, effective rank, and the closest two positions."""

    flat: int
    dims: int
    rank: float
    closest: float  # share of the mean distance


def health(rows: Tensor) -> Table:
    """Of a table (N, D): a row a position."""
    rows = rows.double()
    span = rows.amax(0) - rows.amin(0)
    flat = int((span < FLAT * span.max()).sum())
    s = torch.linalg.svdvals(rows - rows.mean(0))
    p = s / s.sum().clamp(min=1e-300)
    rank = float(torch.special.entr(p).sum().exp())
    return Table(flat, rows.shape[1], rank, _closest(rows) if len(rows) > 1 else 1.0)


def _closest(rows: Tensor) -> float:
    """The distance of the two closest rows, as a share of the mean distance; block by block, as there are N^2 pairs."""
    if len(rows) <= AT_ONCE:
        apart = torch.pdist(rows)
        return float(apart.min() / apart.mean().clamp(min=1e-300))
    least, total, n = math.inf, 0.0, len(rows)
    for start in range(0, n, AT_ONCE):
        block = rows[start : start + AT_ONCE]
        apart = torch.cdist(block, rows, compute_mode="donot_use_mm_for_euclid_dist")
        total += float(apart.sum())
        own = torch.arange(len(block))
        apart[own, own + start] = math.inf
        least = min(least, float(apart.min()))
    return least / max(total / (n * (n - 1)), 1e-300)


def position_table(config: Config, max_len: int) -> Tensor | None:
    """The additive table of positions 0 .. max_len - 1, as drawn; None where the encoding has none."""
    model = build.build(replace(config, depth=1), vocab=VOCAB, classes=CLASSES, max_len=max_len)
    for name, at, rows in model.pe.tables():
        if name == "table" and int(at.min()) == 0:
            return rows.detach().double()[:max_len]
    return None


def with_remedy(config: Config) -> Config | None:
    """The same encoding with the remedy for flat dimensions, where it has one: `pe.base=auto`."""
    if config.pe.options.get("base", "auto") == "auto":
        return None
    return replace(
        config, pe=Part(name=config.pe.name, keys=tuple(sorted({**config.pe.options, "base": "auto"}.items())))
    )


def check_table(config: Config, max_len: int) -> list[Property]:
    rows = position_table(config, max_len)
    if rows is None:
        return []
    found, most = health(rows), min(rows.shape[1], max_len)
    still = f"move by less than {100 * FLAT:.0f} % of the liveliest over {max_len} positions"
    apart = f"{100 * found.closest:.0f} % of the mean distance"
    out = [
        Property("flat dimensions", f"{found.flat} of {found.dims}", still, mark(found.flat == 0, "warning")),
        Property("effective rank", f"{found.rank:.1f}", f"of {most}; exp of the entropy of the singular values"),
        Property("closest positions", apart, "near 0: two positions coincide", mark(found.closest > NEAR, "warning")),
    ]
    better = with_remedy(config)
    after = position_table(better, max_len) if better is not None and found.flat else None
    if after is not None:
        now = health(after)
        text = f"pe.base=auto: {now.flat} flat"
        gain = f"rank {found.rank:.1f} to {now.rank:.1f}; closest {100 * now.closest:.0f} %"
        out.append(Property("remedy", text, f"the slowest pair makes a quarter turn; {gain}"))
    return out
