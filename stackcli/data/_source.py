"""Reads the text of a user's file, plain or gzip, in any text encoding, block by block to save memory.

The byte order mark is dropped and `\\r\\n` becomes `\\n`, so that neither changes the data set.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO

BLOCK = 1 << 18  # bytes read at a time
UNPACKED, RATIO = 4 << 30, 100  # limits of an unpacked .gz: bytes; above 64 MiB also a multiple of its size
USAGE = "data=csv data.path=FILE data.text=COLUMN data.label=COLUMN"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
KINDS = {  # first bytes of files that are not text
    b"PK\x03\x04": "a ZIP archive or an Excel workbook (.xlsx); save the sheet as CSV UTF-8, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls); save the sheet as CSV UTF-8",
    b"PAR1": "a Parquet file; write it as CSV or JSON lines first",
    b"BZh": "compressed with bzip2; unpack it, or compress it with gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or compress it with gzip",
    b"%PDF": "a PDF; save its text as a UTF-8 file first",
    b"SQLite format 3": "an SQLite database; export the table as CSV first",
}


class DataError(ValueError):
    """The data cannot be used; the message says what is wrong, where, and what to do."""


def expand_home(path: str) -> str:
    """Returns the path with `~` replaced by the user's home folder."""
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise DataError(f"{path}: no such home folder") from None


def check_encoding(name: str) -> str:
    """Returns the name if it is a text encoding. Raises DataError otherwise."""
    try:
        codecs.getincrementaldecoder(name)
        with suppress(UnicodeDecodeError):
            b"a".decode(name)
    except (LookupError, ValueError):
        known = "utf-8, utf-16, latin-1, cp1252, shift_jis, gb18030"
        raise DataError(f"data.encoding={name}: not a text encoding that Python knows; for example {known}") from None
    return name


def check_file(path: str, usage: str) -> Path:
    """Returns the path of a plain file. Raises DataError for anything else."""
    if not path:
        raise DataError(f"data.path is not given; write {usage}")
    if ADDRESS.match(path):
        raise DataError(f"{path}: a web address; download the file first and give its path")
    file = Path(path)
    try:
        if not file.exists():
            raise DataError(f"{path}: no such file")
        if file.is_dir():
            raise DataError(f"{path}: a folder, not a file")
        if not file.is_file():
            raise DataError(f"{path}: not a plain file")
    except OSError as error:
        raise DataError(f"{path[:200]}: cannot be read: {error.strerror}") from error
    return file


@contextmanager
def open_bytes(path: str, usage: str) -> Iterator[IO[bytes]]:
    """Opens the bytes of a file, unpacked if it is gzip. Raises DataError if they cannot be read."""
    file = check_file(path, usage)
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                yield raw
                return
            with gzip.open(raw) as unpacked:
                yield unpacked  # type: ignore[misc]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: a damaged gzip file ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_chunks(path: str, usage: str) -> Iterator[bytes]:
    """Yields the bytes of a file, `BLOCK` at a time. Raises DataError for a gzip file that unpacks to too much."""
    with open_bytes(path, usage) as file:
        most, size = min(UNPACKED, max(64 << 20, RATIO * Path(path).stat().st_size)), 0
        while chunk := file.read(BLOCK):
            size += len(chunk)
            if isinstance(file, gzip.GzipFile) and size > most:
                raise DataError(f"{path}: unpacks to more than {most / 2**20:,.0f} MiB; unpack it and look at it first")
            yield chunk


def read_blocks(path: str, encoding: str = "utf-8", usage: str = USAGE) -> Iterator[str]:
    """Yields the text of a file, block by block. Raises DataError for an empty file, and with line and byte for one
    that is not text in that encoding."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    read, lines, pending, blank = 0, 1, "", True
    for chunk in _ended(read_chunks(path, usage)):
        if not read:
            check_kind(chunk, path, encoding)
        try:
            text = pending + decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise _undecodable(error, path, encoding, lines, read + len(chunk)) from None
        text, pending = (text[:-1], "\r") if text.endswith("\r") and chunk else (text, "")
        text = text.replace("\r\n", "\n")
        text = text.removeprefix("\ufeff") if read == 0 else text
        if "\0" in text:
            raise _nul(path, lines + text[: text.index("\0")].count("\n"))
        blank = blank and not text.strip()
        lines, read = lines + text.count("\n"), read + len(chunk)
        yield text
    if blank:
        raise DataError(f"{path}: the file is empty")


def _ended(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the pieces, then an empty one."""
    yield from pieces
    yield b""


def check_kind(start: bytes, path: str, encoding: str = "utf-8") -> None:
    """Raises DataError for a file whose first bytes show that it is not text."""
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            raise DataError(f"{path}: {kind}")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") and codecs.lookup(encoding).name == "utf-8":
        raise DataError(f"{path}: UTF-16, not UTF-8; write data.encoding=utf-16, or save it as UTF-8")


def _nul(path: str, line: int) -> DataError:
    advice = "a binary file, or UTF-16 (then write data.encoding=utf-16-le or utf-16-be)?"
    return DataError(f"{path}: line {line} holds a NUL byte; {advice}")


def _undecodable(error: UnicodeError, path: str, encoding: str, lines: int, end: int) -> DataError:
    """Returns the error for bytes that cannot be decoded; their block begins at line `lines` and ends at byte `end`."""
    if not isinstance(error, UnicodeDecodeError):  # some codecs give no position
        return DataError(f"{path}: not {encoding} ({error}); write data.encoding=NAME")
    before = error.object[: error.start].decode(encoding, "ignore")
    at, value = end - len(error.object) + error.start, error.object[error.start]
    if "\0" in before:
        return _nul(path, lines + before[: before.index("\0")].count("\n"))
    where = f"at line {lines + before.count(chr(10))}, byte {at} (0x{value:02x})"
    if codecs.lookup(encoding).name != "utf-8":
        return DataError(f"{path}: not {encoding} {where}; is data.encoding={encoding} right?")
    return DataError(f"{path}: not UTF-8 {where}; if it is Latin-1, write data.encoding=latin-1 (of Windows: "
                     f"data.encoding=cp1252), or save it as UTF-8")  # fmt: skip


def read_text(path: str, encoding: str = "utf-8", usage: str = USAGE) -> str:
    """Returns the text of a file. Raises DataError."""
    return "".join(read_blocks(path, encoding, usage))


def read_encoded(path: str, encoding: str = "utf-8", usage: str = USAGE) -> Iterator[bytes]:
    """Yields the text of a file as UTF-8, block by block. Fingerprints are made of it, so that they do not depend on
    encoding, line ends or compression."""
    return (block.encode("utf-8", "surrogatepass") for block in read_blocks(path, encoding, usage))


def content_hash(path: str, encoding: str = "utf-8", usage: str = USAGE) -> str:
    """Returns the sha256 of the text of a file."""
    found = sha256()
    for block in read_encoded(path, encoding, usage):
        found.update(block)
    return found.hexdigest()
