"""`stackattn runs`: what is stored of runs, and the removal of some."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stackcli.cli.app import app, confirm, print_json, print_pairs, run_guarded
from stackcli.cli.default_group import DefaultGroup
from stackcli.cli.options import Cols, Csv, Debug, Json, Out, Sort, check_out, complete_run, complete_word
from stackcli.cli.verify import verify
from stackcli.common.wording import count_noun

SHOWN = 40  # rows on a terminal
NAMED = 10  # runs that are named before they are removed

runs_app = typer.Typer(
    name="runs",
    cls=DefaultGroup,
    help="Stored runs: list, show, diff, verify, rm, restore, gc.\n\n"
    "Without a subcommand it lists all runs, newest first, or those that meet every condition. "
    "A condition is KEY=VALUE with any setting, result or column: depth=4, pe=rope,alibi (any of them), pe!=learned, "
    "status=diverged, study=NAME; numbers and dates also 'test_acc>0.8' or 'finished>=2026-11-28', in quotes, as the "
    "shell takes > and < for files. A run that lacks the number or the setting never matches.",
    epilog="Example: stackattn runs depth=2 'test_acc>0.7' --sort -test_acc",
    rich_markup_mode=None,
)
app.add_typer(runs_app)

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="CONDITION", help="KEY=VALUE, 'KEY>VALUE'.", autocompletion=complete_word),
]
Run = Annotated[str, typer.Argument(metavar="ID", help="Id of a run, or its beginning.", autocompletion=complete_run)]
Chosen = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID|CONDITION", help="Ids of runs, or conditions.", autocompletion=complete_run),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Look = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")]
Top = Annotated[
    int | None, typer.Option("--top", help=f"Only the first rows; 0: all. On a terminal {SHOWN} otherwise.", min=0)
]


@runs_app.command("list", epilog="Example: stackattn runs list status=done --sort -test_acc --top 5")
def list_(
    words: Words = None,
    cols: Cols = "",
    sort: Sort = "",
    top: Top = None,
    json: Json = False,
    csv: Csv = "",
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """The runs that meet every condition, with the settings that differ, their result, age and study. --json and --csv
    have every column, unless --cols names some."""

    def action() -> int:
        if csv == "-" and json:
            raise ValueError("--json and --csv - both write to stdout; leave one out, or write --csv FILE")
        from stackcli.common.atomic_files import check_target, write_file
        from stackcli.experiment import run_filters, run_list
        from stackcli.experiment.store import Store

        if csv not in ("", "-"):
            check_target(Path(csv), "--csv")
        store = Store(out, create=False)
        every = list(run_list.list_runs(store))
        columns = run_filters.known_columns(every)
        filters = run_filters.parse_filters(words or (), columns)
        names = run_filters.check_columns([c.strip() for c in cols.split(",") if c.strip()], columns, "--cols")
        names = [name for name in names if name != "run"]  # which is there in any case
        order = run_filters.check_columns([sort.removeprefix("-")] if sort else [], columns, "--sort")
        rows = run_filters.choose_rows(every, filters)
        for key in order:
            rows = run_filters.sort_rows(rows, key, descending=sort.startswith("-"))
        if not rows and every:
            print(run_filters.describe_nothing(every, filters), file=sys.stderr)
        kept = rows[:top] if top else rows
        if csv not in ("", "-"):
            write_file(Path(csv), run_list.to_csv(kept, names))
            print(f"wrote {csv}: {count_noun(len(kept), 'runs')}", file=sys.stderr)
        if json:
            print_json([{key: row.get(key) for key in ("run", *names)} for row in kept] if names else kept)
        elif csv == "-":
            print(run_list.to_csv(kept, names), end="")
        elif not csv and (rows or not every):
            also = [f.key for f in filters if f.sign not in ("=", "!=")] + order
            print_runs(rows, top, names, list(dict.fromkeys(also)))
        if not (json or csv):
            print("studies: " + (", ".join(store.studies()) or "none"), file=sys.stderr)
        return 0

    run_guarded(action, debug)


def print_runs(rows: Sequence[Any], top: int | None, cols: Sequence[str], also: Sequence[str]) -> None:
    """Prints a table of runs; on a terminal only the first, unless `top` says how many."""
    from rich.console import Console

    from stackcli.experiment.run_list import USUAL, runs_table, table_lines

    console, more = Console(), [name for name in also if name not in USUAL]
    screen = console.is_terminal or "COLUMNS" in os.environ
    shown = rows[: top or (SHOWN if screen and top is None else len(rows))]
    if screen:
        console.print(runs_table(shown, cols, more))
    else:
        print("\n".join(table_lines(shown, cols, more)))
    if len(shown) < len(rows):
        rest = count_noun(len(rows) - len(shown), "more runs", "more run")
        print(f"{rest} not shown; --top 0 shows all, --csv FILE writes all", file=sys.stderr)


@runs_app.command(epilog="Example: stackattn runs show 5b76")
def show(run: Run, json: Json = False, out: Out = Path("outputs"), debug: Debug = False) -> None:
    """One run: the settings that differ from the defaults first, its result, curves, studies, where it was made, its
    files, and the line that repeats it."""

    def action() -> int:
        from stackcli.analysis.sparklines import pick_bars
        from stackcli.experiment.run_details import describe_details, details_lines
        from stackcli.experiment.store import Store
        from stackcli.experiment.trash import find_run

        store = Store(out, create=False)
        found = describe_details(store, find_run(store, run))
        if json:
            print_json(found)
            return 0
        print_pairs(details_lines(found, bars=pick_bars(sys.stdout.encoding)))
        print("\nto repeat it:")
        print(found["reproduce"])
        return 0

    run_guarded(action, debug)


@runs_app.command(epilog="Example: stackattn runs diff 5b76 6c35")
def diff(first: Run, second: Run, json: Json = False, out: Out = Path("outputs"), debug: Debug = False) -> None:
    """What differs between two runs: settings, results, versions, and the first step at which their curves are not
    equal to the bit. The exit code is 0 whether they differ or not."""

    def action() -> int:
        from stackcli.experiment.run_differences import compare_runs, difference_sentences
        from stackcli.experiment.store import Store
        from stackcli.experiment.trash import find_run

        store = Store(out, create=False)
        found = compare_runs(store, find_run(store, first), find_run(store, second))
        if json:
            print_json(found)
            return 0
        print_differences(found)
        for sentence in difference_sentences(found):
            print_wrapped(sentence)
        return 0

    run_guarded(action, debug)


def print_wrapped(text: str) -> None:
    """Prints a sentence, wrapped between words on a terminal."""
    from rich.console import Console

    console = Console()
    console.print(text, markup=False, highlight=False, soft_wrap=not (console.is_terminal or "COLUMNS" in os.environ))


def print_differences(found: Any) -> None:
    """Prints a table for each kind of thing that differs, or that it is identical."""
    from rich.console import Console

    from stackcli.analysis.terminal_table import TerminalTable
    from stackcli.experiment.run_differences import difference_rows

    console = Console()
    for kind in ("settings", "result", "provenance"):
        rows = list(difference_rows(found, kind))
        if not rows:
            print(f"{kind}: identical")
            continue
        heads = (kind, found["a"][:8], found["b"][:8], *(["difference"] if kind == "result" else []))
        table = TerminalTable(heads, left=(0,) if kind == "result" else (0, 1, 2), wrap=(1, 2), whole=True)
        for row in rows:
            table.add_row(*row[: len(heads)])
        console.print(table)


runs_app.command(epilog="Example: stackattn runs verify")(verify)


@runs_app.command(epilog="Example: stackattn runs rm status=diverged --dry-run")
def rm(
    words: Chosen = None,
    dry_run: Look = False,
    yes: Yes = False,
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Move runs to the trash (OUT/trash), after asking. `runs restore ID` brings one back, `runs gc` deletes old
    trash."""

    def action() -> int:
        if not words:
            raise ValueError("runs rm needs ids or conditions; to remove every run of a study write study=NAME")
        from stackcli.experiment.run_removal import choose_removed, describe_removal, remove_chosen
        from stackcli.experiment.store import Store

        check_out(out, create=False)
        store = Store(out, create=False)
        rows = choose_removed(store, words)
        print_runs(rows, NAMED, (), ())
        for line in describe_removal(store, rows):
            print(line)
        if dry_run or not rows:
            return 0
        if not confirm(f"Move {count_noun(len(rows), 'runs')} to the trash?", yes=yes):
            print("nothing was moved", file=sys.stderr)
            return 2
        return remove_chosen(store, rows)

    run_guarded(action, debug)


@runs_app.command(epilog="Example: stackattn runs restore 5b76")
def restore(
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of a removed run, or its beginning.")],
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Bring a removed run back from the trash, into its studies too."""

    def action() -> int:
        from stackcli.experiment.store import Store
        from stackcli.experiment.trash import find_removed, restore_run

        check_out(out, create=False)
        store = Store(out, create=False)
        print(restore_run(store, find_removed(store, run, "run")))
        return 0

    run_guarded(action, debug)


@runs_app.command(epilog="Example: stackattn runs gc --dry-run")
def gc(
    days: Annotated[float, typer.Option("--days", help="Delete what is in the trash for so many days.", min=0)] = 30,
    unused: Annotated[bool, typer.Option("--unused", help="Also move runs of no study to the trash.")] = False,
    caches: Annotated[bool, typer.Option("--caches", help="Also delete what is made again when needed.")] = False,
    dry_run: Look = False,
    yes: Yes = False,
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Delete what no one needs, after naming it and asking: old trash, what killed processes left, checkpoints of
    finished runs, old claims."""

    def action() -> int:
        from stackcli.experiment.store import Store
        from stackcli.experiment.store_cleaning import delete_waste, describe_waste, find_waste

        check_out(out, create=False)
        store = Store(out, create=False)
        found = find_waste(store, days=days, unused=unused, caches=caches)
        for line in describe_waste(store, found):
            print(line)
        if dry_run or not found:
            return 0
        if not confirm(f"Delete {count_noun(len(found), 'of these', 'of these')}?", yes=yes):
            print("nothing was deleted", file=sys.stderr)
            return 2
        for waste in delete_waste(store, found):
            print(f"{waste.path}: in use now, and left", file=sys.stderr)
        return 0

    run_guarded(action, debug)
