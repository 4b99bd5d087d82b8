"""The groups whose parts decide how a command works and never what it finds: launcher and tracker."""

from collections.abc import Sequence
from dataclasses import dataclass

from stackcli.common import registry
from stackcli.config.method_settings import method_settings
from stackcli.config.settings import NONE, Part
from stackcli.config.yaml_files import UsageError

COMMAND_GROUPS = ("launcher", "tracker")
LOCAL = Part(name="local")


@dataclass(frozen=True)
class CommandParts:
    """Where runs are trained, and to whom else they report. `words`: how both were typed, for the command that goes
    on."""

    launcher: Part = LOCAL
    trackers: tuple[Part, ...] = (NONE,)
    words: tuple[str, ...] = ()


def split_words(words: Sequence[str]) -> tuple[tuple[str, ...], CommandParts]:
    """Splits the words of a command into settings of runs, and launcher=ray ray.address=auto tracker=wandb,mlflow
    wandb.project=depth. With one part of a group its keys may be typed as launcher.address. Raises UsageError for a
    part, a key or a value that there is not."""
    names = {name: group for group in COMMAND_GROUPS for name in registry.part_names(group) if name != "none"}
    heads = names | {group: group for group in COMMAND_GROUPS}
    own = [word for word in words if word.partition("=")[0].partition(".")[0] in heads and "=" in word]
    mine: dict[str, list[str]] = {group: [] for group in COMMAND_GROUPS}
    for word in own:
        mine[heads[word.partition("=")[0].partition(".")[0]]].append(word)
    launchers = _parts("launcher", mine["launcher"], LOCAL.name)
    if len(launchers) > 1:
        raise UsageError([f"launcher={','.join(p.name for p in launchers)}: runs go to one launcher; choose one"])
    trackers = _parts("tracker", mine["tracker"], NONE.name)
    rest = tuple(word for word in words if word not in own)
    return rest, CommandParts(launchers[0], trackers, tuple(own))


def _parts(group: str, words: Sequence[str], usual: str) -> tuple[Part, ...]:
    """Returns the parts of a group that the words choose, each with its keys."""
    from stackcli.config.overrides import parse_override

    choices = [word for word in words if word.partition("=")[0] == group]
    if len(choices) > 1:
        raise UsageError([f"{group} is given twice; write it once, such as {choices[0]}"])
    chosen = [str(value) for word in choices for value in parse_override(word).values] or [usual]
    keys = [_named_key(word, group, chosen) for word in words if word not in choices]
    found = method_settings(chosen, keys, group)
    return tuple(Part(name=name, keys=tuple(sorted(options.items()))) for name, options in found.items())


def _named_key(word: str, group: str, chosen: Sequence[str]) -> str:
    """launcher.address=auto with one launcher is a key of that launcher."""
    head, _, rest = word.partition(".")
    if head != group:
        return word
    if len(chosen) > 1:
        raise UsageError([f"{word}: write the name of the {group}, such as {chosen[0]}.{rest}"])
    return f"{chosen[0]}.{rest}"
