"""`stackattn export`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import app, check_choice, run_guarded
from stackcli.cli.options import Debug, Out, complete_study, expand_home


@app.command(epilog="Example: stackattn export sweep-depth --to runs.csv")
def export(
    study: Annotated[
        str, typer.Argument(help="Name of a study; the newest otherwise.", autocompletion=complete_study)
    ] = "",
    to: Annotated[
        str,
        typer.Option("--to", metavar="FILE", help="FILE.csv, .json or .parquet; - for stdout.", callback=expand_home),
    ] = "-",
    format_: Annotated[str, typer.Option("--format", help="csv, json or parquet; from the name of the file.")] = "",
    table: Annotated[str, typer.Option("--table", help="runs, curve, layers or stack.")] = "runs",
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Write a table of a study for other programs. Every number is in full. There is a row for each run, each
    evaluation (curve), each layer during training (layers) or each layer of the trained stack (stack)."""

    def action() -> int:
        check_choice("--table", table, ("runs", "curve", "layers", "stack"))
        from stackcli.common.atomic_files import check_target
        from stackcli.common.wording import count_noun
        from stackcli.experiment import study_export
        from stackcli.experiment.report import find_study
        from stackcli.experiment.store import Store

        form = study_export.choose_format(to, format_)
        if to not in ("", "-"):
            check_target(Path(to), "--to", f"runs.{form}")
        store = Store(out, create=False)
        name = find_study(store, study)
        frame = study_export.study_table(store, name, table)
        if to in ("", "-"):
            print(study_export.to_text(frame, form), end="")
            return 0
        study_export.write_table(frame, Path(to), form)
        print(to)
        print(f"{table} of study {name}: {count_noun(len(frame), 'rows')}", file=sys.stderr)
        return 0

    run_guarded(action, debug)
