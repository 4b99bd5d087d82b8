"""The console script's words -> a command."""

import sys
from dataclasses import fields
from importlib import import_module
from itertools import pairwise
from typing import Any, NoReturn

from typer.main import get_command

from stackcli.cli.app import app
from stackcli.cli.usage_errors import describe_usage_error
from stackcli.common.encodable import prepare_streams
from stackcli.common.suggestions import suggest_nearest

COMMANDS = (
    "train",
    "sweep",
    "ablate_depth",
    "compare_pe",
    "plot",
    "report",
    "predict",
    "explain",
    "surrogate",
    "attack",
    "check",
    "probe",
    "cost",
    "list_parts",
    "runs",
    "studies",
    "export",
    "verify",
    "watch",
)  # as --help lists them
for module in COMMANDS:
    import_module(f"stackcli.cli.{module}")


def main() -> None:
    """Parses sys.argv and runs the command; raises SystemExit. `--depth 4` is answered with what to type, and so is
    any other line that cannot be read."""
    prepare_streams()
    words = sys.argv[1:]
    known = setting_words() if any(word.startswith("--") for word in words) else frozenset()
    for word, after in pairwise([*words[: words.index("--") if "--" in words else None], "..."]):
        name = word[2:].partition("=")[0]
        if word.startswith("--") and name in known:
            value = word.partition("=")[2] or after
            refuse(f"{word}: settings are bare words; write {name}={value}")
    names = [module.replace("_parts", "").replace("_", "-") for module in COMMANDS]
    command = words[0] if words and not words[0].startswith("-") else ""
    if "=" in command:
        refuse(f"{command}: a command comes first; write stackattn sweep {command}")
    if command and command not in names:
        refuse(f"{command}: no such command{suggest_nearest(command, names, 'see stackattn --help')}")
    try:
        code = app(texts_last(words) if words[:1] == ["predict"] else words, standalone_mode=False)
    except Exception as error:
        if not words or not hasattr(error, "format_message"):  # without a word the message is the help
            if hasattr(error, "show"):
                error.show()
                raise SystemExit(2) from None
            raise
        refuse(describe_usage_error(error, command, setting_words()))
    raise SystemExit(code)


def read_command(command: str, words: list[str]) -> Any:
    """The words after a command as Typer reads them, without running it. Raises ValueError for what no option takes."""
    try:
        group: Any = get_command(app)  # whose own type Typer does not export
        return group.commands[command].make_context(command, words)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        raise ValueError(error.format_message()) from None


def refuse(message: str) -> NoReturn:
    """Prints what is wrong with a command line, and leaves with exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def setting_words() -> frozenset[str]:
    """What may stand before the = of a setting, but for the keys of parts."""
    from stackcli.config.settings import Config

    return frozenset({field.name for field in fields(Config)} | {"seeds", "match", "match_depth", "seq"})


def texts_last(words: list[str]) -> list[str]:
    """The words of `predict`, options first: a text may begin with `-`, and is taken for an option only where it is
    one of them or begins with `--` and has no white space."""
    options, texts, rest = ["predict"], list[str](), iter(words[1:])
    for word in rest:
        if word == "--":
            texts += rest
        elif word == "--out":
            options += [word, *([value] if (value := next(rest, None)) is not None else [])]
        elif word == "-h" or (word.startswith("--") and len(word.split()) == 1):
            options.append(word)
        else:
            texts.append(word)
    return [*options, "--", *texts] if texts else options
