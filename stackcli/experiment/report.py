"""The report of a study: tables, sentences, files, figures, and what to type next. Never loads PyTorch."""

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import read_json, write_file
from stackcli.common.records import dumps
from stackcli.common.registry import PartError
from stackcli.config.settings import Options
from stackcli.experiment.identity import digest
from stackcli.experiment.load import load_study
from stackcli.experiment.next_command import next_command
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store


def report_study(store: Store, name: str, options: Options, progress: Progress, *, again: str = "") -> None:
    """Prints the tables and sentences, writes the files, and says what to type next: `again` where runs failed."""
    from rich.console import Console

    from stackcli.analysis import tables

    frames = load_study(store, name)
    folder = store.study(name)
    cols = [c.strip() for c in options.cols.split(",") if c.strip()] or None
    table = tables.summarise_points(frames, cols=cols, sort=options.sort or None, top=options.top or None)
    written = write_tables(frames, folder) + draw_study(frames, folder, options.formats)
    for text in delete_outdated(frames, folder):
        progress.say(text)
    out = Console()
    if options.json:
        print(tables.to_json(table))
    elif options.csv == "-":
        print(tables.to_csv(table), end="")
    elif options.format:
        print(tables.to_markdown(table) if options.format == "md" else tables.to_latex(table))
    elif not options.quiet:
        if frames.command != "remedies":
            out.print(tables.render_table(table))
        for title, more in evidence_tables(frames):
            out.print(title, markup=False, highlight=False)
            out.print(more)
        for sentence in report_sentences(frames):
            out.print(sentence, markup=False, highlight=False)
    if options.csv not in ("", "-"):
        write_file(Path(options.csv), tables.to_csv(table))
        written.append(Path(options.csv))
    closing_lines(frames, store, written, progress)
    progress.say(f"to try again what failed: {again}" if again else f"next: {next_command(frames, options)}")


def evidence_tables(frames: Any) -> list[tuple[str, Any]]:
    """Returns the tables that follow the summary on a terminal, each with its title."""
    from stackcli.analysis import comparisons, explanation_effects, findings_text, remedy_effects

    how = {
        "compare-pe": comparisons.build_tables,
        "ablate-depth": findings_text.titled_findings,
        "remedies": remedy_effects.remedy_tables,
    }
    found = how[frames.command](frames) if frames.command in how else []
    return [*found, *explanation_effects.explanation_tables(frames)]


def report_sentences(frames: Any) -> list[str]:
    """Returns the sentences under the tables."""
    from stackcli.analysis import explanation_effects, findings, findings_text, remedy_effects
    from stackcli.analysis.certainty import describe_certainty
    from stackcli.analysis.summary_text import summary_sentences

    explained = explanation_effects.explanation_sentences(frames)
    if frames.command == "remedies":
        return [*remedy_effects.describe_remedies(frames), describe_certainty(frames), *explained]
    first = (
        findings_text.describe_findings(findings.findings(frames), frames) if frames.command == "ablate-depth" else []
    )
    return [*first, *summary_sentences(frames), *explained]


def closing_lines(frames: Any, store: Store, written: Sequence[Path], progress: Progress) -> None:
    """Says how much disk the weights take, and which files were written."""
    disk = store.disk(dict.fromkeys(frames.runs["run"]))
    progress.say(f"kept weights: {disk / 1e6:.1f} MB (keep=none keeps none)")
    folder = store.study(frames.study)
    progress.say(f"wrote {', '.join(abbreviate_files(written, folder))} in {folder}")


def abbreviate_files(written: Sequence[Path], folder: Path) -> list[str]:
    """Returns the names of files; names that differ only in their ending become one: accuracy.{png,svg}."""
    endings: dict[Path, list[str]] = {}
    for path in written:
        endings.setdefault(path.with_suffix(""), []).append(path.suffix[1:])
    shown = {stem: stem.name if stem.parent == folder else str(stem) for stem in endings}
    return [f"{shown[s]}.{e[0]}" if len(e) == 1 else f"{shown[s]}.{{{','.join(e)}}}" for s, e in endings.items()]


def write_tables(frames: Any, folder: Path) -> list[Path]:
    """Writes the summary as CSV, Markdown and LaTeX, and the rows of runs, steps and layers; returns the paths."""
    from stackcli.analysis import comparisons, explanation_effects, findings, findings_text, remedy_effects, tables

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
    from stackcli.analysis import tables

    same = read_stamp(folder)["runs"] == hash_runs(frames)
    long = {"curve.csv": frames.curve, "layers.csv": frames.layers}
    if len(frames.stack):
        long["stack.csv"] = frames.stack
    else:  # written when the study had other runs
        (folder / "stack.csv").unlink(missing_ok=True)
    for name, rows in long.items():
        if not (same and (folder / name).is_file()):
            write_file(folder / name, tables.to_csv(rows))
    return [folder / name for name in long]


STAMP = "figures.json"  # which runs a study's figures were drawn from, and their files


def delete_outdated(frames: Any, folder: Path) -> list[str]:
    """Deletes figures that were drawn from other runs than the study has now; returns a message that names them."""
    stamp = read_stamp(folder)
    if not stamp["files"] or stamp["runs"] == hash_runs(frames):
        return []
    gone = [folder / name for name in stamp["files"] if (folder / name).is_file()]
    for path in gone:
        path.unlink()
    (folder / STAMP).unlink()
    why = "drawn from other runs than the study has now" if stamp["runs"] else "drawn from runs that are not recorded"
    return [f"{', '.join(abbreviate_files(gone, folder))}: {why}, and deleted; stackattn plot draws them again"]


@lru_cache(maxsize=2)
def hash_runs(frames: Any) -> str:
    """The hash of a study's runs and of their explanations, computed once for each report."""
    runs = frames.runs.to_json()
    return digest([runs, frames.scores.to_json()] if len(frames.scores) else runs)


def read_stamp(folder: Path) -> dict[str, Any]:
    """Returns `runs`, a hash of the runs that the figures were drawn from, and `files`, their names."""
    path = folder / STAMP
    found = read_json(path, "files") if path.is_file() else {"files": []}
    return {"runs": "", **found}


def draw_study(
    frames: Any, folder: Path, formats: Sequence[str], only: Sequence[str] = (), *, again: bool = False
) -> list[Path]:
    """Draws every figure that has something to show, or `only` some, and returns the paths. Figures that exist for the
    same runs are drawn only with `again`."""
    if not formats:
        return []
    from stackcli.figures import base

    stamp, runs = read_stamp(folder), hash_runs(frames)
    state = digest([list(formats), list(only)])
    if not again and stamp["runs"] == runs and stamp.get("state") == state:
        paths = [folder / name for name in stamp["files"]]
        if all(p.is_file() for p in paths):
            return paths
    _ = frames.position  # read now, so that a damaged file is reported before anything is drawn
    paths = []
    for name in only or base.figure_names():
        try:
            figure = base.load_figure(name)(frames)
        except PartError as error:
            if name in only:
                raise
            print(f"figure {name} is left out: {error}", file=sys.stderr)
            continue
        if figure is not None:
            paths += base.save(figure, folder / name, formats)
    drawn = [p.name for p in paths]
    before = [name for name in stamp["files"] if name not in drawn]
    if stamp["runs"] != runs:
        for name in before:  # drawn from other runs
            (folder / name).unlink(missing_ok=True)
        before = []
    write_file(folder / STAMP, dumps({"runs": runs, "state": state, "files": [*drawn, *before]}) + "\n")
    return paths


def describe_edits(out: Path, study: str) -> str:
    """Names the parts that were edited after the runs of a study were trained with them; empty where there are none."""
    store = Store(out, create=False)
    names = [study] if study else store.studies()[:1]
    runs = [r["run"] for name in names if name in store.studies() for r in store.read_study(name)["runs"]]
    found = {part: None for run in runs if store.finished(run) for part in store.changed(run)}
    return f"{', '.join(found)}: edited since these runs; the command that made them trains them again" if found else ""


def open_study(store: Store, study: str) -> Any:
    """Reads a study, the newest by default. Raises ValueError for an unknown one, and where no run has finished."""
    names = store.studies()
    if not study and not names:
        raise ValueError(f"{store.root}: no study yet; run stackattn sweep depth=1,2,4,8,16")
    if study and study not in names:
        raise ValueError(f"{study}: no such study in {store.root}; there are {', '.join(names) or 'none'}")
    frames = load_study(store, study or names[0])
    if not frames.runs["status"].isin(["done", "diverged"]).any():
        raise ValueError(f"{frames.study}: none of its {len(frames.runs)} runs has finished; nothing to show yet")
    return frames


def redraw(out: Path, study: str, formats: Sequence[str], only: Sequence[str]) -> list[Path]:
    """Draws the figures of a study again from its files: the command `plot`."""
    store = Store(out, create=False)
    frames = open_study(store, study)
    return draw_study(frames, store.study(frames.study), formats, only, again=True)
