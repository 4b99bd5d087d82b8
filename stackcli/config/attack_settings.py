"""What is typed after `attack RUN`: attacks, budgets, and keys of attacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackcli.common import registry
from stackcli.config.method_settings import method_settings
from stackcli.config.yaml_files import UsageError

GROUP = "attack"
MOST = 1e6


@dataclass(frozen=True)
class AskedAttacks:
    """Attacks with their keys, and the budgets; without any each attack has its own. strict: the attacks were named, so
    that one that does not go with the run is an error."""

    methods: Mapping[str, Mapping[str, Any]]
    budgets: tuple[float, ...] = ()
    strict: bool = False


def parse_attacks(words: Sequence[str]) -> AskedAttacks:
    """Returns the attacks that the words ask for: attack=hotflip,pgd attack.budget=1,3,5 pgd.steps=40, or with one
    attack attack.beam=8. Without attack=, all of them. Raises UsageError for what cannot be understood."""
    from stackcli.config.overrides import parse_override

    names: list[str] | None = None
    budgets, keys = tuple[float, ...](), list[str]()
    for word in words:
        axis = parse_override(word)
        if axis.key == GROUP:
            names = [str(value) for value in axis.values]
        elif axis.key == f"{GROUP}.budget":
            budgets = tuple(dict.fromkeys(_budget(word, value) for value in axis.values))
        else:
            keys.append(word)
    chosen = list(dict.fromkeys(names)) if names else list(registry.part_names(GROUP))
    keys = [_named_key(word, names or ()) for word in keys]
    return AskedAttacks(method_settings(chosen, keys, GROUP), budgets, names is not None)


def _budget(word: str, value: Any) -> float:
    wrong = isinstance(value, bool) or not isinstance(value, int | float)
    if wrong or not 0 < value <= MOST:
        raise UsageError([f"{word}: a budget is a number above 0, such as attack.budget=1,3,5"])
    return float(value)


def _named_key(word: str, names: Sequence[str]) -> str:
    """attack.beam=8 with one attack is a key of that attack."""
    group, _, rest = word.partition(".")
    if group != GROUP:
        return word
    if len(names) != 1:
        raise UsageError([f"{word}: write the name of the attack, such as hotflip.{rest}, or choose one with attack="])
    return f"{names[0]}.{rest}"
