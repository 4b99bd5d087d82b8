"""Writes small files atomically, and checks them when they are read."""

import contextlib
import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stackcli.common.records import dumps, loads, parse_number


class CorruptionError(ValueError):
    """A stored file is damaged (exit 5)."""


def write_file(path: Path, content: str | bytes | Iterator[str]) -> None:
    """Writes a file atomically: to a temporary name in the same folder, flushed to disk, then renamed. A large text can
    come in parts, which are not held at once.

    Raises OSError with the name of the file, for example if the disk is full; the previous file then stays.
    """
    parts = content if isinstance(content, Iterator) else [content]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(temporary, "wb") as file:
            for part in parts:
                file.write(part.encode("utf-8") if isinstance(part, str) else part)
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
    """Returns why nothing can be created in a folder, or an empty text. It tries, because permissions do not tell: for
    /proc, a read-only disk, or an administrator."""
    try:
        os.rmdir(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=folder))
    except OSError as error:
        return "nothing can be created there" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return ""


def check_target(path: Path, option: str, example: str = "table.csv") -> None:
    """Raises ValueError if a file cannot be written to this path; writes nothing. Called before any other work.
    example: the name of a file for the message where the path is a folder."""
    try:
        if path.is_dir():
            raise ValueError(f"{option} {path}: a folder; write {option} {path / example}")
        if path.exists() and not path.is_file():
            raise ValueError(f"{option} {path}: no plain file; {option} - writes to stdout")
        above = next(f for f in path.absolute().parents if f.exists())
        why = why_unwritable(above) if above.is_dir() else f"{above} is not a folder"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise ValueError(f"{option} {path}: cannot be written: {why}")


def flush_folder(folder: Path) -> None:
    """Flushes a folder to disk, so that a rename in it survives a crash; does nothing on Windows."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


REMEDY = "delete its folder and run the command again"
CHECKSUM = re.compile(rb'(?:,|(?<=\{))\s*"checksum": "sha256:([0-9a-f]{64})"\s*\}\s*$')


def write_json(path: Path, value: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Writes an object as strict JSON, atomically. Its last key is `checksum`, the sha256 of all that stands before it,
    so that `read_json` finds any changed byte. Raises OSError."""
    try:
        body = dumps(value, indent=indent)[:-1].rstrip().encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        body = dumps(value, indent=indent, ascii_only=True)[:-1].rstrip().encode("utf-8")
    sha, comma = hashlib.sha256(body).hexdigest(), "" if body == b"{" else ","
    before, after = (" ", "") if indent is None else ("\n" + " " * indent, "\n")
    write_file(path, body + f'{comma}{before}"checksum": "sha256:{sha}"{after}}}\n'.encode())


def read_json(
    path: Path,
    *keys: str,
    kind: type[dict[str, Any]] | type[list[Any]] = dict,
    checksum: bool = False,
    remedy: str = REMEDY,
) -> Any:
    """Reads a JSON file that must hold an object with these keys, or another `kind` of value, and returns it without
    its checksum. Raises CorruptionError if it is not strict JSON, holds something else, or differs from its checksum;
    `checksum`: also if it has none; `remedy`: what the message tells to do."""
    return parse_json(path.read_bytes(), path, *keys, kind=kind, checksum=checksum, remedy=remedy)


def parse_json(
    content: bytes,
    path: Path,
    *keys: str,
    kind: type[dict[str, Any]] | type[list[Any]] = dict,
    checksum: bool = False,
    remedy: str = REMEDY,
) -> Any:
    """As `read_json`, for the content of a file that was read from `path`."""
    try:
        found = CHECKSUM.search(content, max(0, len(content) - 200))  # it is the end of the file
        if found and hashlib.sha256(content[: found.start()]).hexdigest() != found[1].decode():
            raise ValueError("it differs from its checksum")
        if checksum and not found:
            raise ValueError("its checksum is missing")
        value = loads(content.decode("utf-8"))
        if not isinstance(value, kind):
            raise ValueError(f"it holds {'an object' if isinstance(value, dict) else json_name(value)}")
        if found and isinstance(value, dict):
            del value["checksum"]
        missing = [key for key in keys if key not in value]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing")
    except (ValueError, RecursionError) as error:
        raise CorruptionError(f"{path}: damaged ({error}); {remedy}") from error
    return value


def json_name(value: Any) -> str:
    """Returns the JSON name of a value's type."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    return "a list" if isinstance(value, list) else "a string" if isinstance(value, str) else "a number"


NOT_FINITE = (b'"NaN"', b'"Infinity"', b'"-Infinity"')  # how `records.dumps` writes these numbers


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a JSONL file. A last line without newline is skipped as unfinished; CorruptionError for any
    other bad line."""
    return parse_lines(path.read_bytes(), path)


def parse_lines(content: bytes, path: Path) -> list[dict[str, Any]]:
    """As `read_lines`, for the content of a file that was read from `path`."""
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    try:  # parsing all lines at once is several times as fast
        rows = loads(f"[{b','.join(lines).decode('utf-8')}]")
        valid = len(rows) == len(lines) and all(type(row) is dict for row in rows)
    except ValueError:
        valid = False
    if valid and not any(name in content for name in NOT_FINITE):
        return list(rows)
    out = []
    for n, line in enumerate(lines, start=1):
        try:
            out.append({key: parse_number(value) for key, value in loads(line.decode("utf-8")).items()})
        except (ValueError, AttributeError) as error:
            raise CorruptionError(f"{path}: line {n} is damaged ({error}); delete its folder and run again") from error
    return out
