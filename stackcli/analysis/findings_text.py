"""Turns findings into tables and sentences."""

import shlex
from collections.abc import Sequence

import pandas as pd

from stackcli.analysis import statistics
from stackcli.analysis.depth_effect import describe_depth_effect
from stackcli.analysis.findings import OURS, SETTINGS, Finding, _repeated, findings, worst_points
from stackcli.analysis.remedy_catalogue import Remedy
from stackcli.analysis.study_data import Frames
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import format_setting
from stackcli.config.text_values import write_override


def rerun_command(frames: Frames, point: str, words: Sequence[str]) -> str:
    """Returns the command that trains a point again, on the same seeds, with other settings."""
    row = frames.runs[frames.runs["point"] == point].iloc[0]
    typed = _typed(frames, str(row["arm"]))
    own = {key: row[key] for key in (*frames.axes, *frames.chosen) if key.partition(".")[0] in SETTINGS}
    written = {key: write_override(key, v).partition("=")[2] for key, v in own.items() if format_setting(v) != "-"}
    typed |= written
    changed = dict(word.partition("=")[::2] for word in words)
    # an exchanged part loses its own keys
    kept = {key: value for key, value in typed.items() if key.partition(".")[0] not in changed}
    return " ".join(["stackattn sweep", *(shlex.quote(f"{key}={value}") for key, value in (kept | changed).items())])


def _typed(frames: Frames, arm: str) -> dict[str, str]:
    """Returns the settings as typed; in an experiment those of the arm's own line."""
    lines = (line.partition(": ") for line in frames.overrides)
    words = next((_split_line(rest) for name, _, rest in lines if name == arm), []) if arm else frames.overrides
    pairs = (word.partition("=") for word in words)
    return {key: value for key, _, value in pairs if key not in ("match", "match_depth")}


def _split_line(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a line that was stored without quotes
        return line.split()


COLUMNS = ["point", "finding", "k", "n", "low", "high", "value", "threshold", "evidence", "source"]
COLUMNS += ["remedy", "why", "command"]


def findings_frame(found: Sequence[Finding], frames: Frames) -> pd.DataFrame:
    """Returns a row for each finding and remedy (a finding without a remedy has one row).

    Columns: `point`, `finding`, `k` of `n` runs with the Wilson interval `low`, `high` of their share, `value`,
    `threshold`, `evidence`, `source`, `remedy`, `why`, `command`."""
    rows = []
    for f in found:
        k, n = f.seeds
        share = statistics.wilson(k, n)
        head = {"point": f.point, "finding": f.name, "k": k, "n": n, "low": share.low, "high": share.high}
        head |= {"value": f.value, "threshold": f.threshold, "evidence": f.evidence, "source": f.source}
        for remedy in f.remedies or (Remedy((), ""),):
            line = rerun_command(frames, f.point, remedy.words) if remedy.words else ""
            rows.append({**head, "remedy": " ".join(remedy.words), "why": remedy.why, "command": line})
    return pd.DataFrame(rows, columns=COLUMNS)


def findings_table(found: Sequence[Finding], runs: pd.DataFrame) -> TerminalTable:
    """Returns the table for a terminal: point, finding, evidence, k of n runs with the 95 % interval of their share,
    and the first remedy; as a list where the terminal is too narrow. A finding at more than `MANY` points is shown at
    its worst point only."""
    heads = ("at", "finding", "evidence", "affected", "to try")
    out = TerminalTable(heads, left=range(5), wrap=(1, 2, 4), whole=True, caption=cite_sources(found))
    before, hidden = None, {id(f) for others in _repeated(found, runs).values() for f in others}
    for f in found:
        if id(f) in hidden:
            continue
        k, n = f.seeds
        share = statistics.wilson(k, n)
        interval = f"{share.low:.2f}–{share.high:.2f}".replace("0.", ".")
        first = " ".join(f.remedies[0].words) if f.remedies else ""
        out.add_row("" if f.point == before else f.point, f.name, f.evidence, f"{k} of {n}\n{interval}", first)
        before = f.point
    return out


def cite_sources(found: Sequence[Finding]) -> str:
    """Names the source of each finding, each source once; empty if nothing was found."""
    cited: dict[str, dict[str, None]] = {}
    for finding in found:
        cited.setdefault(finding.source.partition(";")[0], {})[finding.name] = None
    text = "; ".join(f"{' and '.join(names)}: {source}" for source, names in cited.items())
    return f"{text}.{' Thresholds: our own constructed cases.' * any(OURS in f.source for f in found)}" * bool(text)


def titled_findings(frames: Frames) -> list[tuple[str, TerminalTable]]:
    """Returns the table with its title; an empty list if nothing was found."""
    found = findings(frames)
    title = "what went wrong, and in how many runs (95 % interval of their share)"
    return [(title, findings_table(found, frames.runs))] if found else []


def to_markdown(found: Sequence[Finding], frames: Frames) -> str:
    """Returns a Markdown table, a row for each finding with its first remedy; empty if nothing was found."""
    rows = findings_frame(found, frames).drop_duplicates(["point", "finding"])
    each = zip(rows["k"], rows["n"], rows["low"], rows["high"], strict=True)
    rows = rows.assign(seeds=[f"{k} of {n}, {low:.2f} to {high:.2f}" for k, n, low, high in each])
    kept = rows[["point", "finding", "evidence", "seeds", "source", "remedy", "command"]]
    return str(kept.to_markdown(index=False, disable_numparse=True)) if len(kept) else ""


def describe_findings(found: Sequence[Finding], frames: Frames) -> list[str]:
    """Returns sentences: the points without a finding, the other points of repeated findings, the command that tries
    the first remedy of each finding, and the effect of depth on the loss."""
    finished = frames.runs[frames.runs["status"].isin(["done", "diverged"])]
    points = list(dict.fromkeys(finished["point"].map(str)))
    well = [point or "this point" for point in points if point not in {f.point for f in found}]
    out = []
    if points and not found:
        unfinished = len(frames.runs) - len(finished)
        rest = f"; {unfinished} did not finish" if unfinished else ""
        which = f"the {len(finished)} runs that finished" if unfinished else f"all {len(finished)} runs"
        out.append(f"No finding: {which} learnt what can be learnt, without overfitting{rest}.")
    elif well:
        out.append(f"No finding at {', '.join(well)}.")
    for name, others in _repeated(found, frames.runs).items():
        out.append(f"{name.capitalize()} also at {', '.join(f.point for f in others)}; findings.csv has all.")
    tried: dict[str, list[str]] = {}
    for f in worst_points(found, frames.runs):
        tried.setdefault(rerun_command(frames, f.point, f.remedies[0].words), []).append(f.name)
    return [
        *out,
        *(f"To try against {', '.join(names)}: {line}" for line, names in tried.items()),
        *describe_depth_effect(frames),
    ]
