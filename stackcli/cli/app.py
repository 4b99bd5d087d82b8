"""The command line: parse, call, print. Everything heavy is imported by the command that needs it."""

import contextlib
import errno
import os
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import typer

from stackcli import __version__
from stackcli.common.suggestions import suggest_nearest

SLOW = 0.5  # seconds after which a block says what it does

app = typer.Typer(
    name="stackattn",
    help="What happens when self-attention layers with position encodings are stacked?\n\n"
    "Settings are written key=value, several values with commas: depth=1,2,4,8,16 pe=learned,relative pe.clip=8. "
    "In attention.layers and pe.by_layer commas separate layers: attention.layers=window,full. "
    "Every setting with its default: stackattn list settings.",
    epilog="Example: stackattn sweep depth=1,2,4,8,16",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(value: bool) -> None:
    if value:
        print(f"stackattn {__version__}")
        raise typer.Exit


@app.callback()
def top_level(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


def run_guarded(action: Callable[[], int], debug: bool, stopped: str = "stopped") -> None:
    """Runs an action; what a person did wrong becomes a message and an exit code, never a traceback. `stopped`: what
    is said after Ctrl-C."""
    code: int
    try:
        code = action()
    except KeyboardInterrupt:
        code = 130
        print(f"\n{stopped}", file=sys.stderr)
    except BrokenPipeError:
        code = 0
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the reader has gone; nothing more can be said
    except (ValueError, OSError) as error:
        if debug:
            raise
        code = exit_code(error)
        if getattr(error, "errno", None) == errno.ENOSPC:
            error = OSError(f"{error}; finished runs are kept: free some space and run the command again")
        print("\n".join(f"error: {line}" for line in str(error).split("\n")), file=sys.stderr)
    raise typer.Exit(code)


def exit_code(error: Exception) -> int:
    """2 usage, 4 a study of that name differs, 5 a damaged file, 74 the disk."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ConflictError" in names:
        return 4
    if "CorruptionError" in names:
        return 5
    return 2 if isinstance(error, ValueError) else 74


def announce(text: str, *, quiet: bool = False) -> None:
    """Says at once what a command will do, before it loads what takes seconds. To stderr."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def announce_slow(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Announces what the block does if it takes longer than SLOW seconds: on a slow machine nothing else is said for a
    while, and elsewhere the line would only be noise."""
    timer = threading.Timer(SLOW, announce, [text], {"quiet": quiet})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def check_choice(what: str, given: str, allowed: Any) -> None:
    """Raises ValueError with a suggestion where a name is not among those allowed."""
    if given not in allowed:
        raise ValueError(
            f"{what} {given}: unknown{suggest_nearest(given, allowed, 'choose from ' + ', '.join(allowed))}"
        )


def confirm(question: str, *, yes: bool) -> bool:
    """Whether the user agrees: `yes`, or an answer on a terminal. Raises ValueError where no one can be asked."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ValueError(f"{question} No terminal to ask on: write --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Prints names, each with its text beside it, wrapped between words on a terminal; a pair without a text is a
    heading, one without a name belongs to the last."""
    pairs = list(pairs)
    widest = max((len(name) for name, text in pairs if text and len(name) <= 24), default=0)
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    columns = max(shutil.get_terminal_size().columns, 20) if known else sys.maxsize
    for name, text in pairs:
        if not text:
            print(f"\n{name}")
            continue
        indent = "  " if columns < widest + 36 else " " * (widest + 4)
        head = f"  {name:{widest}}  " if name else "  "
        if not name:
            indent = "  "
        elif columns < widest + 36:
            head = f"  {name}: "
            indent = "    "
        lines = textwrap.wrap(text, columns - 1, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
        print("\n".join(lines).replace("\N{NO-BREAK SPACE}", " "))


def print_choices(rows: Iterable[tuple[str, str]], *, indent: str = "") -> None:
    """Prints names, each with what it is; on a terminal the text is wrapped beside the names."""
    lines = list(rows)
    widest = max([16, *(len(name) for name, _ in lines)])
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    columns = max(shutil.get_terminal_size().columns, len(indent) + widest + 20) if known else sys.maxsize
    for name, text in lines:
        head = f"{indent}{name:{widest}} "
        wrapped = textwrap.wrap(text, columns - len(head), break_long_words=False, break_on_hyphens=False) or [""]
        print(head + ("\n" + " " * len(head)).join(wrapped))


def print_json(value: Any) -> None:
    """A value as JSON on stdout, whatever encoding that has."""
    from stackcli.common.records import dumps

    print(dumps(value, ascii_only=True))
