"""`stackattn watch`."""

from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import announce, app, run_guarded
from stackcli.cli.options import Debug, Out


@app.command(epilog="Example: stackattn watch")
def watch(
    study: Annotated[str, typer.Argument(help="Name of a study; otherwise the newest that is being worked on.")] = "",
    once: Annotated[bool, typer.Option("--once", help="Show it as it is now, and end; so does a pipe.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")] = False,
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Show how far a study is that another process works on. Ends with it; Ctrl-C leaves the study alone."""

    def action() -> int:
        from stackcli.experiment.store import Store
        from stackcli.experiment.watch import run_watch
        from stackcli.experiment.watched_study import choose_study

        store = Store(out, create=False)
        name = choose_study(store, study)
        announce(f"watch: study {name}", quiet=json)
        return run_watch(store, name, once=once, json=json)

    run_guarded(action, debug, "stopped watching; the study goes on")
