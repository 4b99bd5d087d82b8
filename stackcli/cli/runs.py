"""`stackattn runs`."""

import sys
from pathlib import Path

from stackcli.cli.app import app, print_json, run_guarded
from stackcli.cli.options import Debug, Json, Out


@app.command(epilog="Example: stackattn runs")
def runs(out: Out = Path("outputs"), json: Json = False, debug: Debug = False) -> None:
    """Stored runs, newest first. With the studies that they belong to."""

    def action() -> int:
        from stackcli.experiment.store import Store

        store = Store(out, create=False)
        for run_id in store.ids():
            flat, result = store.config(run_id).flat(), store.result(run_id)
            row = {"run": run_id, **{k: flat[k] for k in ("data", "depth", "pe", "residual", "seed")}}
            row |= {k: result[k] for k in ("status", "test_acc")}
            acc = "" if row["test_acc"] is None else f"{row['test_acc']:.3f}"
            words = (
                f"data={row['data']} depth={row['depth']} pe={row['pe']} residual={row['residual']} seed={row['seed']}"
            )
            edited = store.changed(run_id)
            words += f"  ({', '.join(edited)} edited since)" if edited else ""
            print_json({**row, "edited": edited}) if json else print(f"{run_id}  {row['status']:8} {acc:5}  {words}")
        if not json:
            print("studies: " + (", ".join(store.studies()) or "none"), file=sys.stderr)
        return 0

    run_guarded(action, debug)
