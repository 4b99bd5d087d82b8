"""The source of a run's parts -> a hash, so that an edited part, tokeniser or data reader makes another run.

Files are read and parsed, never imported. What cannot change a result is left out: comments, docstrings, formatting.
A part's source is its file and the helpers that it imports: those of its own group and the modules of `SHARED`; of an
installed package the version and every module of the package that the part's module imports. The core, which all
runs share, is guarded by `store.NUMERICS_VERSION` instead.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from stackcli import parts

PACKAGE = Path(__file__).parent
SHARED = {"text", "vectors", "address"}  # modules outside the groups whose functions make the numbers of a part


def fingerprints(names: Mapping[str, str]) -> dict[str, str]:
    """Group -> part becomes group -> 16 hex digits of that part's source."""
    return {group: fingerprint(group, name) for group, name in names.items()}


@cache
def fingerprint(group: str, name: str) -> str:
    """16 hex digits of a part's source. Raises ValueError for a name that the group does not have."""
    if parts.built_in(group, name):
        files = {f"{group}/{name}": PACKAGE / group / f"{name}.py"}
        follow(files, "stackcli", PACKAGE, lambda module: module.split(".")[0] in (group, *SHARED))
        return digest(files, "")
    point = parts.installed(group).get(name)
    if point is None:
        raise ValueError(f"{group}={name}: no such part; choose from {', '.join(parts.names(group))}")
    version = f"{point.dist.name} {point.dist.version}" if point.dist else ""
    package, spec = point.module.split(".")[0], find_spec(point.module)
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        return digest({}, f"{version} {point.value}")
    root, files = find_spec(package), {point.module: Path(spec.origin)}
    folder = Path(root.origin).parent if root and root.origin else Path(spec.origin).parent
    if folder.joinpath("__init__.py").is_file():
        follow(files, package, folder, lambda module: True)
    return digest(files, version)


def follow(files: dict[str, Path], package: str, folder: Path, wanted: Callable[[str], bool]) -> None:
    """Adds the modules of `package`, which lies in `folder`, that the files import, and what those import in turn."""
    waiting = list(files.values())
    while waiting:
        for module in imported(waiting.pop(), package, folder):
            path = folder.joinpath(*module.split(".")) if module else folder
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            if path.is_file() and path not in files.values() and wanted(module):
                files[module.replace(".", "/")] = path
                waiting.append(path)


def imported(path: Path, package: str, folder: Path) -> Iterator[str]:
    """Dotted names below the package that a file imports; a name imported from a module may be a module itself."""
    here = path.relative_to(folder).parts[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (a.name.partition(".")[2] for a in node.names if a.name.split(".")[0] == package)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = [*here[: len(here) - node.level + 1], *((node.module or "").split(".") if node.module else [])]
            elif node.module and node.module.split(".")[0] == package:
                above = node.module.split(".")[1:]
            else:
                continue
            yield ".".join(above)
            yield from (".".join([*above, a.name]) for a in node.names)


def digest(files: Mapping[str, Path], more: str) -> str:
    """16 hex digits of the files' canonical source by name, and of a further text."""
    found = [f"{name}\0{canonical(tree(path))}" for name, path in sorted(files.items())]
    return hashlib.sha256("\0".join([more, *found]).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree; of one that cannot be parsed a tree that holds its text."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[ast.Return(ast.Constant(text))], type_ignores=[])


def canonical(node: object) -> str:
    """A syntax tree as text without places, docstrings and empty fields, so that Python's versions agree on it."""
    if isinstance(node, ast.AST):
        named = ((name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment"))
        each = (f"{name}={canonical(value)}" for name, value in named if value is not None and value != [])
        return f"{type(node).__name__}({','.join(each)})"
    if isinstance(node, list):
        return f"[{','.join(canonical(item) for item in node if not docstring(item))}]"
    return repr(node)


def docstring(node: object) -> bool:
    """Whether a statement is a text that stands alone, which does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
