"""`stackattn report`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import announce, app, check_choice, run_guarded
from stackcli.cli.options import Debug, Out, check_out, expand_home

FORMATS = ("html", "md", "latex")


@app.command(epilog="Example: stackattn report --open")
def report(
    study: Annotated[list[str] | None, typer.Argument(help="Names of studies; the newest otherwise.")] = None,
    format_: Annotated[str, typer.Option("--format", help="html, or md or latex for papers.")] = "html",
    to: Annotated[
        str, typer.Option("--to", metavar="FILE", help="File to write; - for stdout.", callback=expand_home)
    ] = "",
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """One page about studies that can be sent to a colleague. It holds tables, sentences, figures, explanations of
    texts, settings and how to repeat the runs, and needs no other file."""

    def action() -> int:
        check_choice("--format", format_, FORMATS)
        if open_ and (format_ != "html" or to == "-"):
            raise ValueError("--open opens a page: leave out --format and --to -")
        from stackcli.common.atomic_files import check_target, write_file
        from stackcli.experiment.report import describe_edits
        from stackcli.experiment.study_report import ENDINGS, default_path, make_report

        if to not in ("", "-"):
            check_target(Path(to), "--to", f"report.{ENDINGS[format_]}")
        elif not to:
            check_out(out, create=False)
        announce(f"report: reading {', '.join(study or []) or 'the newest study'}, and drawing its figures")
        for remark in filter(None, (describe_edits(out, name) for name in study or [""])):
            print(remark, file=sys.stderr)
        names, text = make_report(out, study or [""], format_)
        if to == "-":
            print(text, end="")
            return 0
        path = Path(to) if to else default_path(out, names, format_)
        write_file(path, text)
        print(path)
        if open_:
            import webbrowser

            webbrowser.open(path.absolute().as_uri())
        return 0

    run_guarded(action, debug)
