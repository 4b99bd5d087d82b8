"""What `cost` prints and writes: the table of all points, how the costs grow, sentences, files and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from stackcli.analysis import tables
from stackcli.common.atomic_files import write_file
from stackcli.config.settings import Options
from stackcli.experiment.cost_points import CostPlan
from stackcli.experiment.progress import Progress

NUMBERS = ("inference_ms", "forward_ms", "backward_ms", "update_ms", "step_ms")
COLUMNS = ("status", "repeats", *(f"{name}{end}" for name in NUMBERS for end in ("", "_low", "_high")))
COLUMNS += ("memory", "method", "needed", "score_bytes", "flops", "params", "kernel", "why")


def build_points(asked: CostPlan, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Returns a row for each point: the axes, and COLUMNS."""
    out = []
    flats = [(config.flat(), length) for config in asked.arms.configs for length in asked.lengths]
    for (flat, length), row in zip(flats, rows, strict=True):
        head = {axis: flat.get(axis) for axis in asked.arms.axes}
        out.append({**head, "seq": length, **{name: row.get(name) for name in COLUMNS}})
    return pd.DataFrame(out)


def report_cost(frame: pd.DataFrame, asked: CostPlan, folder: Path, options: Options, progress: Progress) -> None:
    write_file(folder / "table.csv", tables.to_csv(frame))
    if options.json:
        print(tables.to_json(frame))
    else:
        Console().print(frame.to_string())
