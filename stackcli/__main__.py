"""The console script, and `python -m stackcli`."""

import contextlib
import os
import signal
import sys

from stackcli.cli.main import main as run_command

TORCHRUN = "TORCHELASTIC_RUN_ID"  # a variable that torchrun sets
AGAIN = 0.5  # seconds after which a command that was asked to leave and goes on is asked again


def main() -> None:
    """Runs the tool and leaves at once: PyTorch would take a second to be taken down, and every file is closed.

    SIGTERM at any time leaves with 75; while runs go on, `study` lets them save first.
    """
    signal.signal(signal.SIGTERM, leave)
    try:
        if is_follower():
            from stackcli.experiment.torchrun import follow_first

            raise SystemExit(follow_first())
        run_command()
    except SystemExit as end:
        stop_timer()
        if TORCHRUN in os.environ:
            from stackcli.experiment.torchrun import tell_others

            tell_others(end.code)
        if "torch" not in sys.modules or not isinstance(end.code, int):
            raise
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code)


def is_follower() -> bool:
    """Whether this is a process of torchrun other than its first. Only under torchrun its module is loaded."""
    if TORCHRUN not in os.environ:
        return False
    from stackcli.experiment.torchrun import process_rank

    return process_rank() > 0


def leave(*_: object) -> None:
    """Leaves with 75. Inside a finalizer or a callback of the garbage collector Python reports an exception and goes
    on, so this is called again a little later."""
    sys.unraisablehook = report_unraisable
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, leave)
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
    raise SystemExit(75)


def stop_timer() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def report_unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Reports an exception that Python cannot raise, as it does by default, unless it is that of `leave`."""
    if found.exc_type is not SystemExit:
        sys.__unraisablehook__(found)


if __name__ == "__main__":
    main()
