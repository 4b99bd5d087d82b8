"""The console script, and `python -m stackcli`."""

import contextlib
import os
import signal
import sys

from stackcli.cli.main import main as run_command


def main() -> None:
    """Runs the tool and leaves at once: PyTorch would take a second to be taken down, and every file is closed.

    SIGTERM at any time leaves with 75; while runs go on, `study` lets them save first.
    """
    signal.signal(signal.SIGTERM, leave)
    try:
        run_command()
    except SystemExit as end:
        if "torch" not in sys.modules or not isinstance(end.code, int):
            raise
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code)


def leave(*_: object) -> None:
    raise SystemExit(75)


if __name__ == "__main__":
    main()
