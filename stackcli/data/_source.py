"""A user's file -> its text: plain or gzip, in any text encoding, block by block, so that memory follows the need.

The byte order mark is dropped and `\\r\\n` becomes `\\n`, so that neither makes another data set.
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
UNPACKED, RATIO = 4 << 30, 100  # a .gz may unpack to this many bytes, and beyond 64 MiB to this multiple of its size
USAGE = "data=csv data.path=FILE data.text=COLUMN data.label=COLUMN"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
KINDS = {  # first bytes of files that are no text
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
    """The data cannot be used; the message says what, where, and what to do."""


def expand_home(path: str) -> str:
    """The path with `~` replaced by the user's home folder."""
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise DataError(f"{path}: this machine knows no such home folder") from None


def check_encoding(name: str) -> str:
    """The name of a text encoding. Raises DataError for any other word."""
    try:
        codecs.getincrementaldecoder(name)
        with suppress(UnicodeDecodeError):
            b"a".decode(name)
    except (LookupError, ValueError):
        known = "utf-8, utf-16, latin-1, cp1252, shift_jis, gb18030"
        raise DataError(f"data.encoding={name}: no text encoding that Python knows; for example {known}") from None
    return name


def check_file(path: str, usage: str) -> Path:
    """The path of a plain file. Raises DataError for anything else."""
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
    """The file's bytes, unpacked where it is gzip. Raises DataError where they cannot be read."""
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
    """The file's bytes, `BLOCK` at a time. Raises DataError for a gzip file that unpacks to too much."""
    with open_bytes(path, usage) as file:
        most, size = min(UNPACKED, max(64 << 20, RATIO * Path(path).stat().st_size)), 0
        while chunk := file.read(BLOCK):
            size += len(chunk)
            if isinstance(file, gzip.GzipFile) and size > most:
                raise DataError(f"{path}: unpacks to more than {most / 2**20:,.0f} MiB; unpack it and look at it first")
            yield chunk


def read_blocks(path: str, encoding: str = "utf-8", usage: str = USAGE) -> Iterator[str]:
    """The file's text, block by block. Raises DataError for a file that is empty or no text in that encoding, naming
    the line and byte at fault."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    read, lines, held, blank = 0, 1, "", True
    for chunk in _ended(read_chunks(path, usage)):
        if not read:
            check_kind(chunk, path, encoding)
        try:
            text = held + decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise _undecodable(error, path, encoding, lines, read + len(chunk)) from None
        text, held = (text[:-1], "\r") if text.endswith("\r") and chunk else (text, "")
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
    """The pieces, and an empty one as their end."""
    yield from pieces
    yield b""


def check_kind(start: bytes, path: str, encoding: str = "utf-8") -> None:
    """Raises DataError for a file that is no text, told by its first bytes."""
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            raise DataError(f"{path}: {kind}")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") and codecs.lookup(encoding).name == "utf-8":
        raise DataError(f"{path}: UTF-16, not UTF-8; write data.encoding=utf-16, or save it as UTF-8")


def _nul(path: str, line: int) -> DataError:
    advice = "a binary file, or UTF-16 (then write data.encoding=utf-16-le or utf-16-be)?"
    return DataError(f"{path}: line {line} holds a NUL byte; {advice}")


def _undecodable(error: UnicodeError, path: str, encoding: str, lines: int, end: int) -> DataError:
    """What to say of bytes that are no text: `lines` were read whole before the block that ends at byte `end`."""
    if not isinstance(error, UnicodeDecodeError):  # some codecs say no more than that
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
    """The file's text. Raises DataError."""
    return "".join(read_blocks(path, encoding, usage))


def read_encoded(path: str, encoding: str = "utf-8", usage: str = USAGE) -> Iterator[bytes]:
    """The file's text as UTF-8, block by block: what a fingerprint is made of, so that it is of the text, whatever the
    encoding, the line ends and the packing."""
    return (block.encode("utf-8", "surrogatepass") for block in read_blocks(path, encoding, usage))


def content_hash(path: str, encoding: str = "utf-8", usage: str = USAGE) -> str:
    """sha256 of the file's text."""
    found = sha256()
    for block in read_encoded(path, encoding, usage):
        found.update(block)
    return found.hexdigest()
