"""Finds the class of a part by group and name, in this package or in an installed one.

`pe=alibi` is `stackcli/pe/alibi.py`, and the part is the public class that the file defines. If there are several, it
is the subclass of the group's base, or the class with the file's name. Another package offers a part by an entry point,
`[project.entry-points."stackattn.pe"] mine = "package.module:Class"`, and needs no YAML. The model supplies constructor
arguments without a default (`dim`, `heads`, ...); arguments with a default are the part's own keys.
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
    """A part of an installed package fails; the message names the package, file and line."""


PACKAGE = Path(__file__).parents[1]


class Key(NamedTuple):
    """A key of a part: its annotation (with ranges, if any) and its default."""

    annotation: Any
    default: Any


def part_names(group: str) -> tuple[str, ...]:
    """Lists the parts of a group without importing them. A built-in part hides an installed one of the same name."""
    folder = PACKAGE / group
    own = {f.stem for f in folder.glob("*.py") if not f.stem.startswith("_") and f.stem != "base"}
    return tuple(sorted(own | set(installed_parts(group))))


@cache
def installed_parts(group: str) -> dict[str, EntryPoint]:
    """Returns the entry points of a group's parts in other installed packages."""
    return {point.name: point for point in entry_points(group=f"stackattn.{group}")}


class Offered:
    """A class in the place of the entry point of an installed package."""

    dist = None

    def __init__(self, name: str, kind: type[Any]) -> None:
        self.name, self.kind = name, kind
        self.module, self.value = kind.__module__, f"{kind.__module__}:{kind.__qualname__}"

    def load(self) -> type[Any]:
        return self.kind


@contextlib.contextmanager
def offer_part(group: str, kind: type[Any]) -> Iterator[str]:
    """Inside the block a class is a part of the group, under the name that is yielded: that of the class, unless
    another part has it. Its errors are raised as they are."""
    name = kind.__name__
    while name.lower() in map(str.lower, part_names(group)):
        name = f"my_{name}"
    parts: dict[str, Any] = installed_parts(group)
    parts[name] = Offered(name, kind)
    try:
        yield name
    finally:
        del parts[name]
        needed_parts.cache_clear()


def built_in(group: str, name: str) -> bool:
    """Returns whether the part belongs to this package, and so has a YAML file."""
    return (PACKAGE / group / f"{name}.py").is_file()


def load_part(group: str, name: str) -> type[Any]:
    """Returns the class of a part. Raises ValueError for an unknown name, PartError for a part that cannot be
    imported."""
    if built_in(group, name):
        return chosen_class(group, name, importlib.import_module(f"stackcli.{group}.{name}"))
    if name not in installed_parts(group):
        raise ValueError(f"{group}={name}: no such choice; choose from {', '.join(part_names(group))}")
    with blame_part(group, name, any_error=True):
        found: Any = installed_parts(group)[name].load()
        if isinstance(found, ModuleType):
            return chosen_class(group, name, found)
        if not callable(found):
            raise TypeError(f"{installed_parts(group)[name].value} is not a class")
        return check_kind(group, name, found)  # type: ignore[no-any-return]


def chosen_class(group: str, name: str, module: ModuleType) -> type[Any]:
    """Returns the part among the public classes of a module, which may define helpers too. Raises PartError if no class
    or more than one can be the part."""
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


KINDS = (
    "pe",
    "residual",
    "norm",
    "attention",
    "init",
    "data",
    "adversarial",
    "distill",
    "explain",
    "attack",
    "tracker",
)  # groups whose parts are classes


def check_kind(group: str, name: str, item: Any) -> Any:
    """Returns the part if it is a class that fits the group. Raises PartError if it is not."""
    if group not in KINDS or (inspect.isclass(item) and _is_part(group, item)):
        return item
    value = installed_parts(group)[name].value
    raise PartError(f"{group}={name}: {value} is not a subclass of the class that stackcli.{group}.base defines")


def _defined_in(module: ModuleType, item: Any) -> bool:
    return inspect.isclass(item) and item.__module__ == module.__name__


def _is_part(group: str, item: type[Any]) -> bool:
    """Returns whether a class is a subclass of the group's base class; in a group without one, whether it has a
    `forward` method."""
    if not (PACKAGE / group / "base.py").is_file():
        return hasattr(item, "forward")
    base = importlib.import_module(f"stackcli.{group}.base")
    return any(_defined_in(base, kind) for kind in item.__mro__[1:])


@contextlib.contextmanager
def blame_part(group: str, name: str, *, any_error: bool = False) -> Iterator[None]:
    """Turns errors inside the context into a PartError if the part belongs to an installed package. A ValueError, which
    reports a mistake of the user, passes unless `any_error`; errors of built-in parts always pass."""
    try:
        yield
    except (Exception, SystemExit) as error:
        foreign = not built_in(group, name) and name in installed_parts(group)
        if not foreign or isinstance(error, PartError) or (isinstance(error, ValueError) and not any_error):
            raise
        point = installed_parts(group)[name]
        if isinstance(point, Offered):
            raise
        owner = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        where = f"{owner} ({point.value}){_place(error, point.module)}"
        raise PartError(f"{group}={name}: {what}; in the installed package {where}") from error


def _place(error: BaseException, module: str) -> str:
    """Returns file and line of the deepest call in the module's own package, or else of the deepest call."""
    if isinstance(error, SyntaxError) and error.filename:
        return f", {error.filename} line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    top = module.partition(".")[0]
    theirs = [f for f in frames if top in Path(f.filename).with_suffix("").parts]
    outside = [f for f in frames if Path(f.filename).name not in ("registry.py", "__init__.py", "metadata.py")]
    deepest = (theirs or outside)[-1:]
    return "".join(f", {f.filename} line {f.lineno}" for f in deepest)


def keys_of(group: str, name: str) -> dict[str, Key]:
    """Returns the keys of a part by its name. Raises the errors of `load_part`, and PartError for unreadable keys."""
    kind = load_part(group, name)
    with blame_part(group, name, any_error=True):
        return part_keys(kind)


def part_keys(part: type[Any]) -> dict[str, Key]:
    """Returns the part's own keys and those in its `common`, which the model implements for several parts."""
    own = own_keys(part)
    return own | {name: key for name, key in getattr(part, "common", {}).items() if name not in own}


def own_keys(part: type[Any]) -> dict[str, Key]:
    """Returns the keys that its constructor takes: the arguments with a default."""
    hints = get_type_hints(part.__init__, include_extras=True)
    return {
        name: Key(hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(part).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


def build_part(group: str, name: str, /, **arguments: Any) -> Any:
    """Builds a part from the model's arguments and its own keys. Raises PartError if the constructor of an installed
    part fails with anything but a ValueError."""
    kind = load_part(group, name)
    with blame_part(group, name):
        return kind(**arguments)


@cache
def needed_parts(group: str, name: str) -> dict[str, str]:
    """Returns group -> part that this part requires, from its class attribute `needs`; reads the file of a built-in
    part without importing it."""
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
    """Returns the first line of the part's docstring, read without importing a built-in part; for an installed part
    that cannot be imported, the reason."""
    if not built_in(group, name):
        try:
            return (inspect.getdoc(load_part(group, name)) or "").partition("\n")[0]
        except PartError as error:
            return f"cannot be used: {error}"
    source = (PACKAGE / group / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
