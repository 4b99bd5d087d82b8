"""What `cost` prints and writes: the table of all points, how the costs grow, sentences, files and figures."""

import io
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stackcli.analysis import cost_scaling, cost_tables, cost_text, tables
from stackcli.analysis.load_text import describe_load
from stackcli.common.atomic_files import write_file
from stackcli.common.wording import count_noun
from stackcli.config.settings import Options
from stackcli.experiment.console import Console
from stackcli.experiment.cost_points import CostPlan
from stackcli.experiment.progress import Progress

PARTS = ("inference_ms", "forward_ms", "backward_ms", "update_ms", "step_ms")
COLUMNS = ("status", "repeats", *(f"{name}{end}" for name in PARTS for end in ("", "_low", "_high")))
COLUMNS += ("memory", "method", "needed", "free", "score_bytes", "flops", "params", "kernel", "why")
TEXTS = ("status", "method", "kernel", "why")
WIDE = 0.25  # quartiles further apart, as a share of the median, are worth a warning
BASE = "full"  # the kind of attention with which the others are compared


def build_points(asked: CostPlan, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Returns a row for each point: the axes, and COLUMNS; a number that was not measured is NaN."""
    out = []
    flats = [(config.flat(), length) for config in asked.arms.configs for length in asked.lengths]
    for (flat, length), row in zip(flats, rows, strict=True):
        head = {axis: flat.get(axis) for axis in asked.arms.axes}
        out.append({**head, "seq": length, **{name: row.get(name) for name in COLUMNS}})
    frame = pd.DataFrame(out)
    return frame.astype({name: float for name in COLUMNS if name not in TEXTS})


def report_cost(frame: pd.DataFrame, asked: CostPlan, folder: Path, options: Options, progress: Progress) -> None:
    """Prints the tables and sentences, and writes the files to the folder of the command."""
    text = write_report(frame, asked)
    written = write_costs(frame, asked, text, folder) + draw_costs(frame, asked, folder, options.formats)
    if options.json:
        print(tables.to_json(frame))
    elif options.csv == "-":
        print(tables.to_csv(frame), end="")
    else:
        print(write_report(frame, asked, Console().width), end="")
    if options.csv not in ("", "-"):
        write_file(Path(options.csv), tables.to_csv(frame))
        written.append(Path(options.csv))
    from stackcli.experiment.written_files import describe_files

    progress.say(describe_files(written, folder, "time"))


def write_report(frame: pd.DataFrame, asked: CostPlan, width: int = tables.WIDTH) -> str:
    """Returns the tables and sentences as text of at most `width` columns."""
    axes, page = asked.axes, io.StringIO()
    out = Console(file=page, width=width, highlight=False, markup=False, emoji=False)
    out.print(cost_tables.render_points(frame, axes))
    exponents, crossing = cost_scaling.length_exponents(frame, axes), cost_scaling.crossovers(frame, axes, BASE)
    sizes, found = cost_scaling.size_exponents(frame, axes), cost_scaling.predictions(frame, axes)
    if len(exponents) and exponents["time"].notna().any():
        out.print(cost_tables.render_exponents(exponents, crossing, axes, BASE))
    if len(sizes):
        out.print(cost_tables.render_sizes(sizes, axes))
    if len(found):
        out.print(cost_tables.render_predictions(found, axes))
    for sentence in (*cost_text.describe_costs(frame, axes, BASE), *describe_conditions(frame, asked)):
        out.print(sentence)
    return "\n".join(line.rstrip() for line in page.getvalue().split("\n"))


def describe_conditions(frame: pd.DataFrame, asked: CostPlan) -> list[str]:
    """Says how the numbers were measured and on what, and warns of a busy machine."""
    from stackcli.diagnostics.peak_memory import METHODS

    done = cost_scaling.measured_points(frame)
    if done.empty:
        return []
    turns = cost_text.span(done["repeats"], "{:.0f}")
    threads = " or ".join(str(n) for n in sorted({config.threads for config in asked.arms.configs}))
    cores, load = os.cpu_count() or 1, describe_load(frame.attrs.get("loads"))
    machine = f"{platform.machine()}, {load}"
    methods = [METHODS[name] for name in dict.fromkeys(done["method"].dropna())]
    wide = int(((done["step_ms_high"] - done["step_ms_low"]) / done["step_ms"] > WIDE).sum())
    warned = f"At {wide} of {count_noun(len(done), 'points')} the quartiles are more than {100 * WIDE:.0f} % apart"
    busy = f"{warned} ({load}), so times"
    return [
        f"Times are medians of {turns} turns; {threads} of {count_noun(cores, 'cores')} ({machine}). Memory is the peak"
        f" of a step above weights and optimiser: {'; '.join(methods)}. Every stack is built for"
        f" {max(asked.lengths):,} tokens.",
        *([f"{busy} are too long and their exponents uncertain; run it again on a quiet machine."] if wide else []),
    ]


def write_costs(frame: pd.DataFrame, asked: CostPlan, text: str, folder: Path) -> list[Path]:
    """Writes a row for each point, the exponents of length and of other sizes, the predictions and the report; returns
    the paths."""
    texts = {
        "table.csv": tables.to_csv(frame),
        "exponents.csv": tables.to_csv(cost_scaling.length_exponents(frame, asked.axes)),
        "sizes.csv": tables.to_csv(cost_scaling.size_exponents(frame, asked.axes)),
        "predictions.csv": tables.to_csv(cost_scaling.predictions(frame, asked.axes)),
        "report.txt": text,
    }
    for name, content in texts.items():
        write_file(folder / name, content)
    return [folder / name for name in texts]


def draw_costs(frame: pd.DataFrame, asked: CostPlan, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws step time and memory against length; returns the paths."""
    if not formats:
        return []
    from stackcli.figures import _cost, base

    paths = []
    for name in ("time", "memory"):
        figure = _cost.draw_cost(frame, asked.axes, name)
        if figure is not None:
            paths += base.save(figure, folder / name, formats)
    return paths
