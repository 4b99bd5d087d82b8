"""Group + name -> class: a file of this package, or an entry point of an installed one.

`pe=alibi` is `stackcli/pe/alibi.py`, and the part is the one public class that the file defines. Another package offers
its own with an entry point, `[project.entry-points."stackattn.pe"] mine = "package.module:Class"`, and needs no YAML.
Arguments without a default (`dim`, `heads`, ...) are supplied by the model; those with one are the part's own keys.
"""

import ast
import importlib
import inspect
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints


class Key(NamedTuple):
    """A key of a part: its annotation (with ranges, if any) and its default."""

    annotation: Any
    default: Any


def names(group: str) -> tuple[str, ...]:
    """Every choice of a group, without importing any of them."""
    folder = Path(__file__).parent / group
    own = {f.stem for f in folder.glob("*.py") if not f.stem.startswith("_") and f.stem != "base"}
    return tuple(sorted(own | set(installed(group))))


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Choices offered by other installed packages."""
    return {point.name: point for point in entry_points(group=f"stackattn.{group}")}


def built_in(group: str, name: str) -> bool:
    """Whether the part ships with this package (and so has a YAML file)."""
    return (Path(__file__).parent / group / f"{name}.py").is_file()


def load(group: str, name: str) -> type[Any]:
    """The class of a part. Raises ValueError for a name that the group does not have."""
    if not built_in(group, name):
        if name not in installed(group):
            raise ValueError(f"{group}={name}: no such part; choose from {', '.join(names(group))}")
        found: type[Any] = installed(group)[name].load()
        return found
    module = importlib.import_module(f"stackcli.{group}.{name}")
    public = [
        item
        for key, item in vars(module).items()
        if inspect.isclass(item) and item.__module__ == module.__name__ and not key.startswith("_")
    ]
    assert len(public) == 1, f"{module.__name__} must define exactly one public class, not {public}"
    return public[0]


def keys(part: type[Any]) -> dict[str, Key]:
    """The part's keys: its own, and those it has in `common` with others, which the model sees to."""
    own = own_keys(part)
    return own | {name: key for name, key in getattr(part, "common", {}).items() if name not in own}


def own_keys(part: type[Any]) -> dict[str, Key]:
    """The keys that its constructor takes: arguments that have a default."""
    hints = get_type_hints(part.__init__, include_extras=True)
    return {
        name: Key(hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(part).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


def build(group: str, name: str, /, **arguments: Any) -> Any:
    """An instance of the part, constructed with the model's arguments and its own keys."""
    return load(group, name)(**arguments)


@cache
def needs(group: str, name: str) -> dict[str, str]:
    """Group -> part without which this one is not what its paper describes: the class attribute `needs`. Reads the
    file, imports nothing."""
    if not built_in(group, name):
        return dict(getattr(load(group, name), "needs", {}))
    source = (Path(__file__).parent / group / f"{name}.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(t, ast.Name) and t.id == "needs" for t in targets) and getattr(node, "value", None):
            return dict(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return {}


def summary(group: str, name: str) -> str:
    """The first line of the part's docstring: what, who, when, where. Reads the file, imports nothing."""
    if not built_in(group, name):
        return (inspect.getdoc(load(group, name)) or "").partition("\n")[0]
    source = (Path(__file__).parent / group / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
