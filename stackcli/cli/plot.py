"""`stackattn plot`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import announce, app, check_choice, print_choices, run_guarded
from stackcli.cli.options import Debug, Out, Pictures, check_out, parse_formats


@app.command(epilog="Example: stackattn plot --list")
def plot(
    study: Annotated[str, typer.Argument(help="Name of a study; the newest otherwise.")] = "",
    figure: Annotated[list[str] | None, typer.Option("--figure", help="Only this figure; may be repeated.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the figures.")] = False,
    out: Out = Path("outputs"),
    figures: Pictures = "png,svg",
    debug: Debug = False,
) -> None:
    """Draw the figures of a study again, from its files."""

    def action() -> int:
        from stackcli.common import registry

        names = registry.part_names("figures")
        if list_:
            print_choices((name, registry.part_summary("figures", name)) for name in names)
            return 0
        for name in figure or ():
            check_choice("--figure", name, names)
        chosen = parse_formats(figures)
        check_out(out, create=False)
        from stackcli.experiment.report import describe_edits, find_study
        from stackcli.experiment.store import Store
        from stackcli.experiment.study_figures import redraw
        from stackcli.experiment.written_files import first_to_open

        store = Store(out, create=False)
        name = find_study(store, study)
        announce(f"plot: the figures of study {name} that are new or have changed")
        if remark := describe_edits(out, study):
            print(remark, file=sys.stderr)
        drawn = redraw(out, name, chosen, figure or ())
        for path in drawn.paths if figure else drawn.new:
            print(path)
        first = first_to_open(drawn.paths, store.study(name))
        print(f"drawn {drawn.drawn}, unchanged {drawn.unchanged}{first}", file=sys.stderr)
        return 0

    run_guarded(action, debug)
