"""What is wrong with a command line that Typer cannot read, in one sentence that says what to write."""

from collections.abc import Iterable
from typing import Any

from stackcli.common.suggestions import SYNONYMS, suggest_nearest


def describe_usage_error(error: Any, command: str, settings: Iterable[str]) -> str:
    """Returns the message for a usage error of Typer. `command`: the command typed, empty for none; `settings`: what
    may stand before the = of a setting, for settings that were typed as options."""
    whole = " ".join(["stackattn", *_commands(error.ctx, command)])
    see, name, param = f"see {whole} --help", getattr(error, "option_name", ""), getattr(error, "param", None)
    params = error.ctx.command.params if error.ctx else []
    if name and "No such option" in error.message:
        return f"{name}: no such option; {_instead(name, params, settings if command else (), see)}"
    if name or "does not take a value" in error.message:
        wrong = "needs a value after it" if name and "requires" in error.message else "takes no value"
        return f"{name or error.message.split(chr(39))[1]} {wrong}; {see}"
    if param is not None and "Missing" in error.format_message():
        needed = [p.metavar or p.name.upper() for p in params if not p.opts[0].startswith("-") and p.required]
        return f"{param.metavar or param.name.upper()} is missing; write {' '.join([whole, *needed])}"
    if param is not None:
        least = f" of at least {param.min}" if param.min is not None else ""
        return f"{', '.join(param.opts)}: must be a whole number{least}"  # no option takes another kind of number
    if "unexpected extra" in error.message:
        return f"{error.message.rpartition('(')[2].rstrip(')')}: not understood here; {see}"
    return f"{error.message}; {see}"


def _commands(context: Any, command: str) -> list[str]:
    """Names the command typed, and its subcommand."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    if names[1:] == ["list"]:  # which is meant where none is typed
        names = names[:1]
    return names or ([command] if command else [])


def _instead(name: str, params: Iterable[Any], settings: Iterable[str], see: str) -> str:
    """Says what to write instead of an unknown option: a setting, another option, or where the options are listed."""
    plain, known = name.lstrip("-").replace("-", "_"), list(settings)
    if (setting := SYNONYMS.get(plain.lower(), plain)) in known:
        return f"settings are bare words: write {setting}=VALUE"
    words = [word for param in params for word in param.opts]
    if plain in words:  # an argument
        return f"write its value alone, without --{plain}; {see}"
    near = suggest_nearest(name.lstrip("-"), [word[2:] for word in words if word.startswith("--")])
    return f"{near.removeprefix('; ').replace('mean ', 'mean --')} {see[0].upper()}{see[1:]}" if near else see
