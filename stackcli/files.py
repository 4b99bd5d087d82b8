"""Small files: whole or not at all, and checked when they are read."""

import contextlib
import os
import uuid
from pathlib import Path
from typing import Any

from stackcli.record import loads, number


class CorruptionError(ValueError):
    """A stored file is not what was written (exit 5)."""


def write(path: Path, content: str | bytes) -> None:
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


def flush_folder(folder: Path) -> None:
    """Makes a rename last; a no-op where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: Path) -> Any:
    """A JSON file's value. Raises CorruptionError where it is no strict JSON."""
    try:
        return loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise CorruptionError(f"{path}: damaged ({error}); delete its folder and run the command again") from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file; a last line without newline is not yet written, a bad line before it is corruption."""
    out = []
    for n, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            out.append({key: number(value) for key, value in loads(line.decode("utf-8")).items()})
        except (ValueError, AttributeError) as error:
            raise CorruptionError(f"{path}: line {n} is damaged ({error}); delete its folder and run again") from error
    return out
