"""`stackattn verify`."""

import sys
from pathlib import Path

from stackcli.cli.app import app, run_guarded
from stackcli.cli.options import Debug, Out
from stackcli.common.wording import count_noun


@app.command(epilog="Example: stackattn verify")
def verify(out: Out = Path("outputs"), debug: Debug = False) -> None:
    """Read every file of every run, and check the hashes."""

    def action() -> int:
        from stackcli.experiment.store import Store
        from stackcli.experiment.verification import find_faults

        store = Store(out, create=False)
        wrong = find_faults(store)
        for line in wrong:
            print(line)
        print(f"{count_noun(len(store.ids()), 'runs')}, {count_noun(len(wrong), 'faults')}", file=sys.stderr)
        return 5 if wrong else 0

    run_guarded(action, debug)
