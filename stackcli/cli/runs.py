"""`stackattn runs`."""

import os
import sys
from pathlib import Path

from stackcli.cli.app import app, print_json, run_guarded
from stackcli.cli.options import Debug, Json, Out


@app.command(epilog="Example: stackattn runs")
def runs(out: Out = Path("outputs"), json: Json = False, debug: Debug = False) -> None:
    """Stored runs, newest first. With the studies that they belong to, their age and the settings that differ."""

    def action() -> int:
        from rich.console import Console

        from stackcli.experiment.run_list import list_runs, runs_table, table_lines
        from stackcli.experiment.store import Store

        store = Store(out, create=False)
        rows = list(list_runs(store))
        if json:
            print_json(rows)
            return 0
        console = Console()
        if console.is_terminal or "COLUMNS" in os.environ:
            console.print(runs_table(rows))
        else:
            print("\n".join(table_lines(rows)))
        print("studies: " + (", ".join(store.studies()) or "none"), file=sys.stderr)
        return 0

    run_guarded(action, debug)
