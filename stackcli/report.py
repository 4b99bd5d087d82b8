"""What a study leaves behind: the table and its sentences, files, figures, and what to type next. Never PyTorch."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stackcli.files import read_json, write
from stackcli.parts import PartError
from stackcli.progress import Progress
from stackcli.record import dumps
from stackcli.settings import Options
from stackcli.store import Store, digest, load


def report(store: Store, name: str, options: Options, progress: Progress, *, again: str = "") -> None:
    """Tables and sentences to stdout, files to the study's folder, and what to type next: `again` where runs failed."""
    from rich.console import Console

    from stackcli import tables

    frames = load(store, name)
    folder = store.study(name)
    cols = [c.strip() for c in options.cols.split(",") if c.strip()] or None
    table = tables.summary(frames, cols=cols, sort=options.sort or None, top=options.top or None)
    written = write_tables(frames, folder) + draw(frames, folder, options.formats)
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
            out.print(tables.render(table))
        for title, more in evidence(frames):
            out.print(title, markup=False, highlight=False)
            out.print(more)
        for sentence in spoken(frames):
            out.print(sentence, markup=False, highlight=False)
    if options.csv not in ("", "-"):
        write(Path(options.csv), tables.to_csv(table))
        written.append(Path(options.csv))
    ended(frames, store, written, progress)
    progress.say(f"to try again what failed: {again}" if again else f"next: {next_command(frames, options)}")


def evidence(frames: Any) -> list[tuple[str, Any]]:
    """The tables that follow the summary on a terminal, each with its title."""
    from stackcli import comparison, findings, remedies

    how = {"compare-pe": comparison.told, "ablate-depth": findings.told, "remedies": remedies.told}
    return how[frames.command](frames) if frames.command in how else []


def spoken(frames: Any) -> list[str]:
    """What is said under the tables."""
    from stackcli import findings, remedies
    from stackcli.sentences import certainty, sentences

    if frames.command == "ablate-depth":
        return [*findings.sentences(findings.findings(frames), frames), *sentences(frames)]
    return [*remedies.sentences(frames), certainty(frames)] if frames.command == "remedies" else sentences(frames)


def ended(frames: Any, store: Store, written: Sequence[Path], progress: Progress) -> None:
    """The disk that weights take, and the files."""
    disk = store.disk(dict.fromkeys(frames.runs["run"]))
    progress.say(f"kept weights: {disk / 1e6:.1f} MB (keep=none keeps none)")
    folder = store.study(frames.study)
    progress.say(f"wrote {', '.join(brief(written, folder))} in {folder}")


def brief(written: Sequence[Path], folder: Path) -> list[str]:
    """The files' names, those that differ in their ending alone as one: accuracy.{png,svg}."""
    endings: dict[Path, list[str]] = {}
    for path in written:
        endings.setdefault(path.with_suffix(""), []).append(path.suffix[1:])
    shown = {stem: stem.name if stem.parent == folder else str(stem) for stem in endings}
    return [f"{shown[s]}.{e[0]}" if len(e) == 1 else f"{shown[s]}.{{{','.join(e)}}}" for s, e in endings.items()]


def next_command(frames: Any, options: Options) -> str:
    place = f" --out {options.out}" if str(options.out) != "outputs" else ""
    done = frames.runs[frames.runs["status"] == "done"]
    if frames.command == "train" and len(done) and frames.facts_of(done).get("text"):
        asked = "FILE.conllu" if done.iloc[0]["data"] == "conllu" else '"Why does ice float on water?"'
        return f"stackattn predict {done.iloc[0]['run']} {asked}{place}"
    follow = {
        "train": "sweep depth=1,2,4,8,16",
        "sweep": "ablate-depth",
        "ablate-depth": "compare-pe pe=learned,sinusoidal,relative",
    }
    return f"stackattn {follow.get(frames.command, f'plot {frames.study}')}{place}"


def write_tables(frames: Any, folder: Path) -> list[Path]:
    """The summary as CSV, Markdown and LaTeX; the tidy row of each run; the long rows of each step and layer."""
    from stackcli import comparison, findings, remedies, tables

    table = tables.summary(frames)
    found = findings.findings(frames) if frames.command == "ablate-depth" else []
    parts = [tables.to_markdown(table), findings.to_markdown(found, frames), "\n".join(spoken(frames))]
    texts = {
        "table.csv": tables.to_csv(table),
        "table.md": "\n\n".join(filter(None, parts)) + "\n",
        "table.tex": tables.to_latex(table),
        "runs.csv": tables.to_csv(frames.runs.drop(columns="test_right", errors="ignore")),  # a sign an item
        "curve.csv": tables.to_csv(frames.curve),
        "layers.csv": tables.to_csv(frames.layers),
    }
    more = {
        "differences.csv": comparison.differences(frames),
        "lengths.csv": comparison.lengths(frames),
        "orders.csv": comparison.orders(frames),
        "stack.csv": frames.stack,
    }
    texts |= {name: tables.to_csv(rows) for name, rows in more.items() if len(rows)}
    texts |= {"findings.csv": tables.to_csv(findings.frame(found, frames))} if frames.command == "ablate-depth" else {}
    texts |= {"remedies.csv": tables.to_csv(remedies.effects(frames))} if frames.command == "remedies" else {}
    for name in (*more, "findings.csv", "remedies.csv"):
        if name not in texts:  # of the study as it was before
            (folder / name).unlink(missing_ok=True)
    for name, text in texts.items():
        write(folder / name, text)
    return [folder / name for name in texts]


STAMP = "figures.json"  # of a study's figures: the runs that they were drawn from, and each file


def delete_outdated(frames: Any, folder: Path) -> list[str]:
    """Takes away figures that were drawn from other runs than the tables beside them; says which, in words."""
    stamp = read_stamp(folder)
    if not stamp["files"] or stamp["runs"] == digest(frames.runs.to_json()):
        return []
    gone = [folder / name for name in stamp["files"] if (folder / name).is_file()]
    for path in gone:
        path.unlink()
    (folder / STAMP).unlink()
    why = "drawn from other runs than the study has now" if stamp["runs"] else "drawn from runs that are not recorded"
    return [f"{', '.join(brief(gone, folder))}: {why}, and deleted; stackattn plot draws them again"]


def read_stamp(folder: Path) -> dict[str, Any]:
    """`runs`, a hash of the runs that the figures were drawn from, and `files`."""
    path = folder / STAMP
    found = read_json(path, "files") if path.is_file() else {"files": []}
    return {"runs": "", **found}


def draw(
    frames: Any, folder: Path, formats: Sequence[str], only: Sequence[str] = (), *, again: bool = False
) -> list[Path]:
    """Every figure that has something to show; with `again` also those that stand for the same data already."""
    if not formats:
        return []
    from stackcli.figures import base

    stamp, runs = read_stamp(folder), digest(frames.runs.to_json())
    state = digest([list(formats), list(only)])
    if not again and stamp["runs"] == runs and stamp.get("state") == state:
        paths = [folder / name for name in stamp["files"]]
        if all(p.is_file() for p in paths):
            return paths
    paths = []
    for name in only or base.names():
        try:
            figure = base.load(name)(frames)
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
        for name in before:  # of other runs
            (folder / name).unlink(missing_ok=True)
        before = []
    write(folder / STAMP, dumps({"runs": runs, "state": state, "files": [*drawn, *before]}) + "\n")
    return paths


def describe_edits(out: Path, study: str) -> str:
    """Which parts of a study's runs have been edited since, so that these numbers are not theirs; empty for none."""
    store = Store(out, create=False)
    names = [study] if study else store.studies()[:1]
    runs = [r["run"] for name in names if name in store.studies() for r in store.read_study(name)["runs"]]
    found = {part: None for run in runs if store.finished(run) for part in store.changed(run)}
    return f"{', '.join(found)}: edited since these runs; the command that made them trains them again" if found else ""


def redraw(out: Path, study: str, formats: Sequence[str], only: Sequence[str]) -> list[Path]:
    """`plot`: the figures of a study, from its files, whatever was drawn before."""
    store = Store(out, create=False)
    names = store.studies()
    if not study and not names:
        raise ValueError(f"{out}: no study yet; run stackattn sweep depth=1,2,4,8,16")
    if study and study not in names:
        raise ValueError(f"{study}: no such study in {out}; there are {', '.join(names) or 'none'}")
    frames = load(store, study or names[0])
    if not frames.runs["status"].isin(["done", "diverged"]).any():
        raise ValueError(f"{frames.study}: none of its {len(frames.runs)} runs has finished; nothing to draw yet")
    return draw(frames, store.study(frames.study), formats, only, again=True)
