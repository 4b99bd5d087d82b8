"""Group + name -> class: a file of this package, or an entry point of an installed one.

`pe=alibi` is `stackcli/pe/alibi.py`, and the part is the public class that the file defines; of several, the one that
is a subclass of the group's base, or has the file's name. Another package offers its own with an entry point,
`[project.entry-points."stackattn.pe"] mine = "package.module:Class"`, and needs no YAML. Arguments without a default
(`dim`, `heads`, ...) are supplied by the model; those with one are the part's own keys.
"""

import ast
import contextlib
import importlib
import inspect
import traceback
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_type_hints


class PartError(ValueError):
    """A part of an installed package fails; the message says in whose code, file and line."""


PACKAGE = Path(__file__).parents[1]


class Key(NamedTuple):
    """A key of a part: its annotation (with ranges, if any) and its default."""

    annotation: Any
    default: Any


def part_names(group: str) -> tuple[str, ...]:
    """Every choice of a group, without importing any of them. One of ours hides an installed one of its name."""
    folder = PACKAGE / group
    own = {f.stem for f in folder.glob("*.py") if not f.stem.startswith("_") and f.stem != "base"}
    return tuple(sorted(own | set(installed_parts(group))))


@cache
def installed_parts(group: str) -> dict[str, EntryPoint]:
    """Choices offered by other installed packages."""
    return {point.name: point for point in entry_points(group=f"stackattn.{group}")}


def built_in(group: str, name: str) -> bool:
    """Whether the part ships with this package (and so has a YAML file)."""
    return (PACKAGE / group / f"{name}.py").is_file()


def load_part(group: str, name: str) -> type[Any]:
    """The class of a part. Raises ValueError for a name that the group does not have, PartError for a part that cannot
    be imported."""
    if built_in(group, name):
        return chosen_class(group, name, importlib.import_module(f"stackcli.{group}.{name}"))
    if name not in installed_parts(group):
        raise ValueError(f"{group}={name}: no such part; choose from {', '.join(part_names(group))}")
    with blame_part(group, name, any_error=True):
        found: Any = installed_parts(group)[name].load()
        if isinstance(found, ModuleType):
            return chosen_class(group, name, found)
        if not callable(found):
            raise TypeError(f"{installed_parts(group)[name].value} is no class")
        return check_kind(group, name, found)  # type: ignore[no-any-return]


def chosen_class(group: str, name: str, module: ModuleType) -> type[Any]:
    """The part among the public classes that a module defines: helpers may stand beside it. Raises PartError where
    that is none or cannot be said."""
    public = [item for key, item in vars(module).items() if _defined_in(module, item) and not key.startswith("_")]
    fits = public if len(public) == 1 else [item for item in public if _is_part(group, item)]
    named = [item for item in fits if item.__name__.lower() == name.replace("_", "").lower()]
    for found in (fits, named):
        if len(found) == 1:
            only: type[Any] = found[0]
            return only
    which = ", ".join(item.__name__ for item in fits or public) or "no class"
    raise PartError(
        f"{group}={name}: {module.__file__} defines {which}; exactly one public class must be the part. Let the names "
        f"of helpers begin with _, or give the part the name {name.replace('_', ' ').title().replace(' ', '')}"
    )


KINDS = ("pe", "residual", "norm", "attention", "init", "data")  # groups whose parts are classes of one kind


def check_kind(group: str, name: str, item: Any) -> Any:
    """The part as given, if it is a class of the group's kind. Raises PartError where it is not."""
    if group not in KINDS or (inspect.isclass(item) and _is_part(group, item)):
        return item
    value = installed_parts(group)[name].value
    raise PartError(f"{group}={name}: {value} is no subclass of the class that stackcli.{group}.base defines")


def _defined_in(module: ModuleType, item: Any) -> bool:
    return inspect.isclass(item) and item.__module__ == module.__name__


def _is_part(group: str, item: type[Any]) -> bool:
    """Whether a class is a subclass of one of the group's base; where the group has none, whether it can be called as
    a module of PyTorch's."""
    if not (PACKAGE / group / "base.py").is_file():
        return hasattr(item, "forward")
    base = importlib.import_module(f"stackcli.{group}.base")
    return any(_defined_in(base, kind) for kind in item.__mro__[1:])


@contextlib.contextmanager
def blame_part(group: str, name: str, *, any_error: bool = False) -> Iterator[None]:
    """Inside, code of the part runs. What goes wrong in a part of an installed package becomes a PartError, but for a
    ValueError, which says what a person did wrong (not where `any_error`); errors of our own parts stay as they are."""
    try:
        yield
    except (Exception, SystemExit) as error:
        foreign = not built_in(group, name) and name in installed_parts(group)
        if not foreign or isinstance(error, PartError) or (isinstance(error, ValueError) and not any_error):
            raise
        point = installed_parts(group)[name]
        owner = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        where = f"{owner} ({point.value}){_place(error, point.module)}"
        raise PartError(f"{group}={name}: {what}; in the installed package {where}") from error


def _place(error: BaseException, module: str) -> str:
    """File and line of the deepest call in the module's own package, else of the deepest of all."""
    if isinstance(error, SyntaxError) and error.filename:
        return f", {error.filename} line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    top = module.partition(".")[0]
    theirs = [f for f in frames if top in Path(f.filename).with_suffix("").parts]
    outside = [f for f in frames if Path(f.filename).name not in ("registry.py", "__init__.py", "metadata.py")]
    deepest = (theirs or outside)[-1:]
    return "".join(f", {f.filename} line {f.lineno}" for f in deepest)


def keys_of(group: str, name: str) -> dict[str, Key]:
    """The keys of a part by its name. Raises ValueError as `load` does, and PartError where they cannot be read."""
    kind = load_part(group, name)
    with blame_part(group, name, any_error=True):
        return part_keys(kind)


def part_keys(part: type[Any]) -> dict[str, Key]:
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


def build_part(group: str, name: str, /, **arguments: Any) -> Any:
    """An instance of the part, constructed with the model's arguments and its own keys. Raises PartError where the
    constructor of a part of an installed package fails, but for a ValueError."""
    kind = load_part(group, name)
    with blame_part(group, name):
        return kind(**arguments)


@cache
def needed_parts(group: str, name: str) -> dict[str, str]:
    """Group -> part without which this one is not what its paper describes: the class attribute `needs`. Reads the
    file, imports nothing."""
    if not built_in(group, name):
        return dict(getattr(load_part(group, name), "needs", {}))
    source = (PACKAGE / group / f"{name}.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(t, ast.Name) and t.id == "needs" for t in targets) and getattr(node, "value", None):
            return dict(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return {}


def part_summary(group: str, name: str) -> str:
    """The first line of the part's docstring: what, who, when, where. Reads the file, imports nothing. Of an installed
    part that cannot be imported, why."""
    if not built_in(group, name):
        try:
            return (inspect.getdoc(load_part(group, name)) or "").partition("\n")[0]
        except PartError as error:
            return f"cannot be used: {error}"
    source = (PACKAGE / group / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
