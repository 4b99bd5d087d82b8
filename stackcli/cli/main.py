"""The console script's words -> a command."""

import sys
from dataclasses import fields
from importlib import import_module
from itertools import pairwise

from stackcli.cli.app import app
from stackcli.common.encodable import prepare_streams

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
    "check",
    "probe",
    "cost",
    "list_parts",
    "runs",
    "verify",
)  # as --help lists them
for module in COMMANDS:
    import_module(f"stackcli.cli.{module}")


def main() -> None:
    """Parses sys.argv and runs the command; raises SystemExit. `--depth 4` is answered with what to type."""
    prepare_streams()
    words = sys.argv[1:]
    known = setting_words() if any(word.startswith("--") for word in words) else frozenset()
    for word, after in pairwise([*words[: words.index("--") if "--" in words else None], "..."]):
        name = word[2:].partition("=")[0]
        if word.startswith("--") and name in known:
            value = word.partition("=")[2] or after
            print(f"error: {word}: settings are bare words; write {name}={value}", file=sys.stderr)
            raise SystemExit(2)
    app(texts_last(words) if words[:1] == ["predict"] else words)


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
