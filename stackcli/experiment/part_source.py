"""Hashes the source of a run's parts, so that an edited part, tokeniser or data reader makes another run.

Files are read and parsed, never imported. What cannot change a result is left out: comments, docstrings, formatting.
A part's source is its file and the helpers that it imports: those of its own group and the modules of `SHARED`; of an
installed package the version and every module of the package that the part's module imports. The core, which all
runs share, is guarded by `identity.NUMERICS_VERSION` instead.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

from stackcli.common import registry

PACKAGE = Path(__file__).parents[1]
SHARED = {
    "stackcli.data._tokens",
    "stackcli.common.seeding",
}  # modules outside a group whose functions make its numbers


def fingerprints(names: Mapping[str, str]) -> dict[str, str]:
    """Returns group -> 16 hex digits of the source of the part that is named for the group."""
    return {group: fingerprint(group, name) for group, name in names.items()}


@cache
def fingerprint(group: str, name: str) -> str:
    """Returns 16 hex digits of a part's source. Raises ValueError for a name that the group does not have."""
    if registry.built_in(group, name):
        files = {f"stackcli.{group}.{name}": PACKAGE / group / f"{name}.py"}
        follow_imports(
            files, PACKAGE.parent, lambda module: module in SHARED or module.startswith(f"stackcli.{group}.")
        )
        return source_digest(files, "")
    point = registry.installed_parts(group).get(name)
    if point is None:
        raise ValueError(f"{group}={name}: no such choice; choose from {', '.join(registry.part_names(group))}")
    version = f"{point.dist.name} {point.dist.version}" if point.dist else ""
    base = folder_of(point.module.split(".")[0])
    path = module_file(base, point.module) if base else None
    if base is None or path is None:
        return source_digest({}, f"{version} {point.value}")
    files, tops = {point.module: path}, top_names(point.dist) | {point.module.split(".")[0]}
    follow_imports(
        files, base, lambda module: module.split(".")[0] in tops or (base / f"{module.split('.')[0]}.py").is_file()
    )
    return source_digest(files, version)


def folder_of(top: str) -> Path | None:
    """Returns the folder of a top-level module or package, without running any of its code."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    inside = list(spec.submodule_search_locations or ())
    return Path(inside[0]).parent if inside else Path(spec.origin).parent if spec.origin else None


def top_names(dist: Distribution | None) -> set[str]:
    """Returns the top-level modules and packages that a distribution installed, where it recorded them."""
    files = (dist.files if dist else None) or []
    return {Path(file.parts[0]).stem for file in files if file.suffix == ".py"}


def module_file(base: Path, module: str) -> Path | None:
    """Returns the file of a module; None where there is none, as for a package without `__init__.py`."""
    path = base.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path if path.is_file() else None


def follow_imports(files: dict[str, Path], base: Path, accepts: Callable[[str], bool]) -> None:
    """Adds the modules below the folder `base` that the files import and `accepts` allows, and theirs in turn."""
    waiting = list(files.values())
    while waiting:
        for module in filter(accepts, imported_modules(waiting.pop(), base)):
            path = module_file(base, module)
            if path is not None and path not in files.values():
                files[module] = path
                waiting.append(path)


@cache
def imported_modules(path: Path, base: Path) -> tuple[str, ...]:
    """Returns the dotted names that a file imports; a name imported from a module may be a module itself."""
    return tuple(find_imports(path, path.relative_to(base).parts[:-1]))


def find_imports(path: Path, here: tuple[str, ...]) -> Iterator[str]:
    """Yields the dotted names that a file imports. `here`: the parts of the name of its package."""
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = list(here[: len(here) - node.level + 1]) if node.level else []
            above += node.module.split(".") if node.module else []
            yield from filter(None, [".".join(above), *(".".join([*above, a.name]) for a in node.names)])


def source_digest(files: Mapping[str, Path], more: str) -> str:
    """Returns 16 hex digits of the canonical source of files by name, and of another text."""
    found = [f"{name}\0{canonical(syntax_tree(path))}" for name, path in sorted(files.items())]
    return hashlib.sha256("\0".join([more, *found]).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def syntax_tree(path: Path) -> ast.Module:
    """Returns the syntax tree of a file, or a tree that holds its text where it cannot be parsed."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[ast.Return(ast.Constant(text))], type_ignores=[])


def canonical(node: object) -> str:
    """Returns a syntax tree as text without line numbers, docstrings and empty fields: the same in every Python."""
    if isinstance(node, ast.AST):
        named = ((name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment"))
        each = (f"{name}={canonical(value)}" for name, value in named if value is not None and value != [])
        return f"{type(node).__name__}({','.join(each)})"
    if isinstance(node, list):
        return f"[{','.join(canonical(item) for item in node if not is_docstring(item))}]"
    return repr(node)


def is_docstring(node: object) -> bool:
    """Returns whether a statement is only a string, which does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
