"""What `probe` prints and writes: the table of all depths, slopes beside theory, what to expect, files and figures."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from stackcli.analysis import depth_scaling, statistics, tables
from stackcli.analysis.study_data import Frames
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.atomic_files import write_file
from stackcli.common.wording import format_setting
from stackcli.config.settings import Options
from stackcli.experiment.console import Console
from stackcli.experiment.progress import Progress

FIGURES = ("signal", "gradient", "slopes", "collapse")


class Column(NamedTuple):
    """A column of the table: its short head, and whether its mean over seeds is geometric."""

    head: str
    geometric: bool


COLUMNS = {
    "signal_first": Column("signal\n1", True),
    "signal_last": Column("signal\nL", True),
    "grad_ratio_init": Column("grad\n1/L", True),
    "free_ratio_init": Column("free\n1/L", True),
    "cosine": Column("cosine", False),
    "rank": Column("rank", True),
    "apart": Column("apart", True),
    "entropy": Column("least\nentr.", False),
    "update": Column("first\nstep", True),
    "step_ratio": Column("after\n1/L", True),
}
HIDE_FIRST = ("signal_first", "cosine", "grad_ratio_init", "entropy", "apart")


def report_probe(frames: Frames, folder: Path, options: Options, progress: Progress) -> None:
    """Prints the tables and sentences, and writes the files to the folder of the probe."""
    table, slopes = summarise_stacks(frames), depth_scaling.slopes(frames.runs, frames.axes)
    written = probe_files(frames, table, slopes, folder) + draw_probe(frames, folder, options.formats)
    out = Console()
    if options.json:
        print(tables.to_json(table))
    elif options.csv == "-":
        print(tables.to_csv(table), end="")
    else:
        out.print(render_stacks(table))
        if len(slopes):
            out.print(render_slopes(slopes, frames.axes))
        for sentence in describe_probe(frames, slopes):
            out.print(sentence, markup=False, highlight=False)
    if options.csv not in ("", "-"):
        write_file(Path(options.csv), tables.to_csv(table))
        written.append(Path(options.csv))
    from stackcli.experiment.written_files import describe_files

    progress.say(describe_files(written, folder, "slopes"))


def probe_files(frames: Frames, table: pd.DataFrame, slopes: pd.DataFrame, folder: Path) -> list[Path]:
    """Writes the table, the slopes of each scheme and seed, a row for each stack, and a row for each linear map, block
    and head; returns the paths."""
    texts = {"table.csv": table, "slopes.csv": slopes, "runs.csv": frames.runs, "layers.csv": frames.layers}
    for name, rows in texts.items():
        write_file(folder / name, tables.to_csv(rows))
    return [folder / name for name in texts]


def draw_probe(frames: Frames, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws the figures that show a stack before training; returns the paths."""
    if not formats:
        return []
    from stackcli.figures import base

    paths = []
    for name in FIGURES:
        figure = base.load_figure(name)(frames)
        if figure is not None:
            paths += base.save(figure, folder / name, formats)
    return paths


def read_probe(folder: Path) -> Frames:
    """Reads the slopes of a probe as the runs of a study: `slope_free`, `order`, ... of each arm and seed."""
    runs = pd.read_csv(folder / "slopes.csv").assign(status="done")
    none = pd.DataFrame()
    return Frames(study=folder.name, command="probe", axes=("arm",), runs=runs, curve=none, layers=none)


# ---- the table


def summarise_stacks(frames: Frames) -> pd.DataFrame:
    """Returns a row for each point: the axes and `depth`; how many seeds were `planned` and how many are `done`, with
    finite numbers; the means over these; `expected`, whether the stack can be expected to train."""
    axes = [*(axis for axis in frames.axes if axis != "depth"), "depth"]
    rows = []
    for expected in depth_scaling.expectations(frames.runs, frames.axes):
        for depth, group in expected.runs.groupby("depth", sort=True):
            done = group[group["status"] == "done"]
            row = {**expected.scheme, "depth": depth, "done": len(done), "planned": len(group)}
            row["expected"] = expected.first is None or depth < expected.first
            rows.append(row | {name: mean_over_seeds(done, name) for name in COLUMNS})
    table = pd.DataFrame(rows)
    table.attrs["axes"] = axes
    return table


def mean_over_seeds(runs: pd.DataFrame, column: str) -> float:
    """Returns the mean of a column, geometric where COLUMNS says so and all are positive; NaN where it is empty."""
    values = pd.to_numeric(runs[column]).dropna() if column in runs else pd.Series(dtype=float)
    if not len(values):
        return math.nan
    if COLUMNS[column].geometric and bool((values > 0).all()):
        return float(statistics.geometric_interval(values).mean)
    return float(values.mean())


def render_stacks(table: pd.DataFrame) -> TerminalTable:
    """Returns the table for a terminal; columns that do not fit are named below."""
    axes, state = list(table.attrs["axes"]), ["finite"] * bool((table["done"] < table["planned"]).any())
    out = TerminalTable(
        [*axes, *state, *(COLUMNS[c].head for c in COLUMNS)],
        left=[i for i, axis in enumerate(axes) if not pd.api.types.is_numeric_dtype(table[axis])],
        keys=len(axes),
        names=[*axes, *state, *COLUMNS],
        drop=HIDE_FIRST,
        hint="a wider terminal or --csv - shows them",
    )
    for row in table.to_dict("records"):
        cells = [format_setting(row[a]) for a in axes] + ([f"{row['done']}/{row['planned']}"] if state else [])
        out.add_row(*cells, *(format_cell(row[c]) for c in COLUMNS))
    return out


def format_cell(value: float) -> str:
    """Formats a number with about three digits, in at most seven characters."""
    if math.isnan(value):
        return ""
    if value and not 1e-2 <= abs(value) < 1e3:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


HEADS = {
    "slope_plain": "slope\nG1",
    "slope_free": "slope\nG3",
    "theory": "theory",
    "slope_update": "slope of\nfirst step",
    "order": "collapse\norder",
    "order_theory": "theory",
}


def render_slopes(slopes: pd.DataFrame, axes: Sequence[str]) -> TerminalTable:
    """Returns a row for each scheme: the exponents of depth with their intervals over seeds, beside theory. Columns
    that do not fit are named below."""
    others = [axis for axis in axes if axis != "depth"]
    keys = max(1, len(others))
    lines = []
    for key, rows in slopes.groupby(others, sort=False, dropna=False) if others else [(("all",), slopes)]:
        plain, free, step = (over_seeds(rows[c]) for c in depth_scaling.SLOPES)
        order = over_seeds(rows["order"], 3)
        theory = format_theory(rows["theory"]) if free else ""
        cells = (plain, free, theory, step, order, format_theory(rows["order_theory"]))
        lines.append((list(map(format_setting, key)), dict(zip(HEADS, cells, strict=True))))
    shown = [name for name in HEADS if any(row[name] for _, row in lines)]  # too few depths have no slope
    out = TerminalTable(
        [*(others or [""]), *(f" {HEADS[name]}".replace("\n", "\n ") for name in shown)],
        left=range(keys),
        keys=keys,
        names=[*(others or [""]), *shown],
        drop=("slope_plain", "slope_update"),
        hint="a wider terminal or slopes.csv shows them",
    )
    for head, row in lines:
        out.add_row(*head, *(row[name] for name in shown))
    return out


def over_seeds(values: pd.Series, decimals: int = 2) -> str:
    """Returns the mean and half the width of its interval; empty where there is no number."""
    kept = pd.to_numeric(values).dropna()
    if not len(kept):
        return ""
    found = statistics.interval(kept)
    text = f"{found.mean:z.{decimals}f}"
    if math.isnan(found.low):
        return text
    return f"{text}±{(found.high - found.low) / 2:.{decimals}f}".replace("±0.", "±.")


def format_theory(values: pd.Series) -> str:
    """Returns the value of theory, which is the same for every seed."""
    kept = pd.to_numeric(values).dropna()
    return f"{kept.iloc[0]:g}" if len(kept) else ""


# ---- the sentences


def describe_probe(frames: Frames, slopes: pd.DataFrame) -> list[str]:
    """Says how deep each scheme can be expected to train and why, what the slopes are, and where the bounds come
    from."""
    depths = sorted(set(frames.runs["depth"]))
    out = [depth_scaling.describe_expectation(e, depths) for e in depth_scaling.expectations(frames.runs, frames.axes)]
    drowned = depth_scaling.describe_lost_tokens(frames.runs, frames.axes)
    return [
        *out,
        *filter(None, [drowned]),
        *describe_theory(slopes),
        depth_scaling.CALIBRATION,
        describe_warmup(frames.runs),
    ]


def describe_theory(slopes: pd.DataFrame) -> list[str]:
    """Says how the exponents were measured and where their theory comes from."""
    if not len(slopes):
        return []
    sources = [text for text in dict.fromkeys(slopes["theory_source"]) if text]
    seeds = slopes["seed"].nunique()
    over = statistics.describe_mean(seeds) or "one seed"
    named = f"; theory of G3 at Xavier's initialisation: {'; '.join(sources)}" if sources else ""
    sentences = [
        f"Slopes are exponents of depth, from depth {depth_scaling.FIRST}, of the last block's last map: {over}{named}."
    ]
    return sentences if slopes["slope_free"].notna().any() else []


def describe_warmup(runs: pd.DataFrame) -> str:
    """Says that a warm-up makes the first step smaller, where the runs have one."""
    warm = bool((pd.to_numeric(runs["warmup"]) > 0).any())
    return "With the warm-up of these settings the first step is smaller, and deeper stacks may train." if warm else ""
