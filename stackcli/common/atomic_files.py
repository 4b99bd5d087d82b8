"""Small files: whole or not at all, and checked when they are read."""

import contextlib
import os
import tempfile
import uuid
from pathlib import Path
from typing import Any

from stackcli.common.records import loads, parse_number


class CorruptionError(ValueError):
    """A stored file is not what was written (exit 5)."""


def write_file(path: Path, content: str | bytes) -> None:
    """A file, whole or not at all: unique temporary name in the same folder, flushed, renamed, the folder flushed.

    Raises OSError naming the file, where the disk is full, say; what was there before stays.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def why_unwritable(folder: Path, *, prefix: str = ".") -> str:
    """Why nothing can be made in a folder, found by trying; empty where it can. Permissions alone do not say it: of
    /proc, of a disk mounted read-only, for an administrator."""
    try:
        os.rmdir(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=folder))
    except OSError as error:
        return "nothing can be created there" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return ""


def check_target(path: Path, option: str) -> None:
    """Raises ValueError where a file cannot be written there, before any work is done for it; writes nothing."""
    try:
        if path.is_dir():
            raise ValueError(f"{option} {path}: a folder; write {option} {path / 'table.csv'}")
        if path.exists() and not path.is_file():
            raise ValueError(f"{option} {path}: no plain file; {option} - writes to stdout")
        above = next(f for f in path.absolute().parents if f.exists())
        why = why_unwritable(above) if above.is_dir() else f"{above} is no folder"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise ValueError(f"{option} {path}: cannot be written: {why}")


def flush_folder(folder: Path) -> None:
    """Makes a rename last; a no-op where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: Path, *keys: str, kind: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
    """A JSON file's value, an object that has these keys, or of another `kind`. Raises CorruptionError where it is no
    strict JSON, or JSON of another kind."""
    try:
        value = loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, kind):
            raise ValueError(f"it holds {'an object' if isinstance(value, dict) else json_name(value)}")
        missing = [key for key in keys if key not in value]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing")
    except (ValueError, RecursionError) as error:
        raise CorruptionError(f"{path}: damaged ({error}); delete its folder and run the command again") from error
    return value


def json_name(value: Any) -> str:
    """What JSON calls a value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    return "a list" if isinstance(value, list) else "a string" if isinstance(value, str) else "a number"


NOT_FINITE = (b'"NaN"', b'"Infinity"', b'"-Infinity"')  # as strict JSON writes such numbers


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file; a last line without newline is not yet written, a bad line before it is corruption."""
    content = path.read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    try:  # all at once, several times as fast as line by line
        rows = loads(f"[{b','.join(lines).decode('utf-8')}]")
        whole = len(rows) == len(lines) and all(type(row) is dict for row in rows)
    except ValueError:
        whole = False
    if whole and not any(name in content for name in NOT_FINITE):
        return list(rows)
    out = []
    for n, line in enumerate(lines, start=1):
        try:
            out.append({key: parse_number(value) for key, value in loads(line.decode("utf-8")).items()})
        except (ValueError, AttributeError) as error:
            raise CorruptionError(f"{path}: line {n} is damaged ({error}); delete its folder and run again") from error
    return out
