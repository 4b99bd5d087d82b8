"""The report of a study: tables, sentences, files, figures, and what to type next. Never loads PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import write_file
from stackcli.config.settings import Options
from stackcli.experiment.load import load_study
from stackcli.experiment.next_command import name_place, next_command
from stackcli.experiment.progress import Progress
from stackcli.experiment.run_index import edited_since
from stackcli.experiment.store import Store
from stackcli.experiment.study_figures import delete_outdated, draw_study, hash_runs, read_stamp
from stackcli.experiment.written_files import describe_files


def report_study(store: Store, name: str, options: Options, progress: Progress, *, again: str = "") -> None:
    """Prints the tables and sentences, writes the files, and says what to type next: `again` where runs failed."""
    from stackcli.analysis import tables

    frames = load_study(store, name)
    folder = store.study(name)
    cols = [c.strip() for c in options.cols.split(",") if c.strip()] or None
    table = tables.summarise_points(frames, cols=cols, sort=options.sort or None, top=options.top or None)
    if options.formats:
        progress.say("drawing the figures")
    written = write_tables(frames, folder)
    written += draw_study(frames, folder, options.formats, counting=progress.counting).paths
    for text in delete_outdated(frames, folder):
        progress.say(text)
    if options.printed:
        print_report(frames, table, options)
    if options.csv not in ("", "-"):
        write_file(Path(options.csv), tables.to_csv(table))
        written.append(Path(options.csv))
    closing_lines(frames, store, written, progress)
    if again:
        progress.say(f"to try again what failed: {again}", copied=True)
    elif not options.remedies or frames.command == "remedies":  # else the remedies follow
        progress.say(f"next: {next_command(frames, options)}", copied=True)


def print_report(frames: Any, table: Any, options: Options) -> None:
    """Prints the table of a study in the format asked for, and by default the other tables and the sentences."""
    from stackcli.analysis import tables
    from stackcli.experiment.console import Console

    out = Console()
    if options.json:
        print(tables.to_json(table))
    elif options.csv == "-":
        print(tables.to_csv(table), end="")
    elif options.format:
        print(tables.to_markdown(table) if options.format == "md" else tables.to_latex(table))
    else:
        if frames.command != "remedies":
            out.print(tables.render_table(table))
        for title, more in evidence_tables(frames):
            out.print(title, markup=False, highlight=False)
            out.print(more)
        for sentence in report_sentences(frames):
            copied = ": stackattn " in sentence
            text = sentence + name_place(options) * copied
            out.print(text, markup=False, highlight=False, soft_wrap=copied)


def evidence_tables(frames: Any) -> list[tuple[str, Any]]:
    """Returns the tables that follow the summary on a terminal, each with its title."""
    from stackcli.analysis import attack_effects, comparisons, explanation_effects, findings_text, remedy_effects

    how = {
        "compare-pe": comparisons.build_tables,
        "ablate-depth": findings_text.titled_findings,
        "remedies": remedy_effects.remedy_tables,
    }
    found = how[frames.command](frames) if frames.command in how else []
    return [*found, *explanation_effects.explanation_tables(frames), *attack_effects.attack_tables(frames)]


def report_sentences(frames: Any) -> list[str]:
    """Returns the sentences under the tables."""
    from stackcli.analysis import attack_sentences, explanation_effects, findings, findings_text, remedy_effects
    from stackcli.analysis.certainty import describe_certainty
    from stackcli.analysis.summary_text import summary_sentences

    more = [*explanation_effects.explanation_sentences(frames), *attack_sentences.attack_sentences(frames)]
    if frames.command == "remedies":
        return [*remedy_effects.describe_remedies(frames), describe_certainty(frames), *more]
    first = (
        findings_text.describe_findings(findings.findings(frames), frames) if frames.command == "ablate-depth" else []
    )
    return [*first, *summary_sentences(frames), *more]


def closing_lines(frames: Any, store: Store, written: Sequence[Path], progress: Progress) -> None:
    """Says how much disk the weights take, and which files were written."""
    disk = store.disk(dict.fromkeys(frames.runs["run"]))
    progress.say(f"kept weights: {disk / 1e6:.1f} MB (keep=none keeps none)")
    progress.say(describe_files(written, store.study(frames.study), "remedies" if frames.command == "remedies" else ""))


def write_tables(frames: Any, folder: Path) -> list[Path]:
    """Writes the summary as CSV, Markdown and LaTeX, and the rows of runs, steps and layers; returns the paths."""
    from stackcli.analysis import (
        attack_effects,
        comparisons,
        explanation_effects,
        findings,
        findings_text,
        remedy_effects,
        tables,
    )

    table = tables.summarise_points(frames)
    found = findings.findings(frames) if frames.command == "ablate-depth" else []
    parts = [tables.to_markdown(table), findings_text.to_markdown(found, frames), "\n".join(report_sentences(frames))]
    texts = {
        "table.csv": tables.to_csv(table),
        "table.md": "\n\n".join(filter(None, parts)) + "\n",
        "table.tex": tables.to_latex(table),
        # test_right holds a digit for each test item
        "runs.csv": tables.to_csv(frames.runs.drop(columns="test_right", errors="ignore")),
    }
    more = {
        "differences.csv": comparisons.comparison_rows(frames),
        "lengths.csv": comparisons.scores_by_length(frames),
        "orders.csv": comparisons.scores_by_order(frames),
        "explanations.csv": frames.scores,
        "explanation_differences.csv": explanation_effects.explanation_differences(frames),
        "heads.csv": frames.heads,
        "attacks.csv": frames.attacks,
        "attack_differences.csv": attack_effects.attack_differences(frames),
    }
    texts |= {name: tables.to_csv(rows) for name, rows in more.items() if len(rows)}
    texts |= (
        {"findings.csv": tables.to_csv(findings_text.findings_frame(found, frames))}
        if frames.command == "ablate-depth"
        else {}
    )
    texts |= (
        {"remedies.csv": tables.to_csv(remedy_effects.remedy_effects(frames))} if frames.command == "remedies" else {}
    )
    for name in (*more, "findings.csv", "remedies.csv"):
        if name not in texts:  # written when the study had other runs
            (folder / name).unlink(missing_ok=True)
    for name, text in texts.items():
        write_file(folder / name, text)
    return [*(folder / name for name in texts), *write_long_tables(frames, folder)]


def write_long_tables(frames: Any, folder: Path) -> list[Path]:
    """Writes the rows of each step and layer, unless they are there and the runs are still those of the figures."""
    from stackcli.analysis.csv_text import csv_parts

    same = read_stamp(folder)["runs"] == hash_runs(frames)
    long = {"curve.csv": frames.curve, "layers.csv": frames.layers}
    if len(frames.stack):
        long["stack.csv"] = frames.stack
    else:  # written when the study had other runs
        (folder / "stack.csv").unlink(missing_ok=True)
    for name, rows in long.items():
        if not (same and (folder / name).is_file()):
            write_file(folder / name, csv_parts(rows))
    return [folder / name for name in long]


def describe_edits(out: Path, study: str) -> str:
    """Names the parts that were edited after the runs of a study were trained with them; empty where there are none."""
    store = Store(out, create=False)
    names = [study] if study else store.studies()[:1]
    runs = [r["run"] for name in names if name in store.studies() for r in store.read_study(name)["runs"]]
    found = edited_since(store, runs)
    return f"{', '.join(found)}: edited since these runs; the command that made them trains them again" if found else ""


def find_study(store: Store, study: str) -> str:
    """Returns the name of a study, the newest by default. Raises ValueError for an unknown one."""
    names = store.studies()
    if not study and not names:
        raise ValueError(f"{store.root}: no study yet; run stackattn sweep depth=1,2,4,8,16")
    if study and study not in names:
        raise ValueError(f"{study}: no such study in {store.root}; there are {', '.join(names) or 'none'}")
    return study or names[0]


def open_study(store: Store, study: str) -> Any:
    """Reads a study, the newest by default. Raises ValueError for an unknown one, and where no run has finished."""
    frames = load_study(store, find_study(store, study))
    if not frames.runs["status"].isin(["done", "diverged"]).any():
        raise ValueError(f"{frames.study}: no run of {len(frames.runs)} has finished; nothing to show yet")
    return frames
