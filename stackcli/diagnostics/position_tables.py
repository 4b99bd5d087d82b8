"""Whether an encoding's table of positions is degenerate: flat dimensions, effective rank, positions that coincide."""

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from stackcli.config.settings import Config, Part
from stackcli.diagnostics.checked_property import CLASSES, VOCAB, Property, mark
from stackcli.model import build

AT_ONCE = 2048  # rows whose distances to all others are computed at once
FLAT = 0.02  # a dimension is flat if its range over all positions is less than this share of the largest range
NEAR = 0.02  # two positions whose vectors lie closer than this share of the mean distance coincide


class Table(NamedTuple):
    """The health of an additive table: number of flat dimensions, effective rank, distance of the closest positions."""

    flat: int
    dims: int
    rank: float
    closest: float  # share of the mean distance


def health(rows: Tensor) -> Table:
    """Measures the health of a table (N, D) with one row for each position."""
    rows = rows.double()
    span = rows.amax(0) - rows.amin(0)
    flat = int((span < FLAT * span.max()).sum())
    s = torch.linalg.svdvals(rows - rows.mean(0))
    p = s / s.sum().clamp(min=1e-300)
    rank = float(torch.special.entr(p).sum().exp())
    return Table(flat, rows.shape[1], rank, _closest(rows) if len(rows) > 1 else 1.0)


def _closest(rows: Tensor) -> float:
    """Returns the smallest distance of two rows as a share of the mean distance; in blocks, as there are N^2 pairs."""
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
    """Returns the untrained additive table of positions 0 .. max_len - 1; None if the encoding has none."""
    model = build.build(replace(config, depth=1), vocab=VOCAB, classes=CLASSES, max_len=max_len)
    for name, at, rows in model.pe.tables():
        if name == "table" and int(at.min()) == 0:
            return rows.detach().double()[:max_len]
    return None


def with_remedy(config: Config) -> Config | None:
    """Returns the config with `pe.base=auto`, the remedy for flat dimensions; None if that changes nothing."""
    if config.pe.options.get("base", "auto") == "auto":
        return None
    return replace(
        config, pe=Part(name=config.pe.name, keys=tuple(sorted({**config.pe.options, "base": "auto"}.items())))
    )


def check_table(config: Config, max_len: int) -> list[Property]:
    """Checks the additive table of an encoding for degeneracy; no properties if it has none."""
    rows = position_table(config, max_len)
    if rows is None:
        return []
    found, most = health(rows), min(rows.shape[1], max_len)
    flat = f"range over {max_len} positions below {100 * FLAT:.0f} % of the largest range of a dimension"
    apart = f"{100 * found.closest:.0f} % of the mean distance"
    out = [
        Property("flat dimensions", f"{found.flat} of {found.dims}", flat, mark(found.flat == 0, "warning")),
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
