"""What was read of many runs, kept in OUT/cache so that it need not be read again. It can be deleted at any time.

A file of the cache holds a head line with the version and the sha256 of what follows, and is written as a whole. Each
run in it has a signature, made of the inodes, sizes and times of its files: a run is never changed once published,
and one that was replaced, edited or damaged since has another signature and is read from its own files, which are
checked against its manifest. Whatever is wrong with a file of the cache, it is as if it were not there.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from stackcli.common.atomic_files import write_file

VERSION = 1  # of the content; raised when other things are kept
FEWEST = 100  # runs for which a cache is written; fewer are read as fast without one
SETTLED = 2.0  # seconds since the last change of a run before it is kept: two changes in a tick of the clock look alike
MARK = b"stackattn cache"


def signature(folder: str, names: Iterable[str]) -> tuple[str, float]:
    """Returns (signature, time of the last change in seconds) of these files of a run; a missing file counts as such.
    Raises OSError where the folder is missing."""
    found = os.stat(folder)
    parts, latest = [found.st_ino, found.st_mtime_ns], found.st_mtime_ns
    for name in names:
        try:
            found = os.stat(f"{folder}/{name}")
        except FileNotFoundError:
            parts.append(-1)
            continue
        parts += (found.st_ino, found.st_size, found.st_mtime_ns)
        latest = max(latest, found.st_mtime_ns)
    return hashlib.blake2b(repr(parts).encode(), digest_size=10).hexdigest(), latest / 1e9


def is_settled(changed: float) -> bool:
    """Whether the last change, in seconds since the epoch, is long enough ago for a run to be kept."""
    return time.time() - changed >= SETTLED


class Parts:
    """The parts of a file of the cache, each read when it is asked for. Raises ValueError for a file that is damaged or
    of another version, OSError where there is none."""

    def __init__(self, path: Path) -> None:
        self.file = open(path, "rb")  # noqa: SIM115  it stays what it was when another process replaces it
        try:
            head = self.file.readline(1 << 20)
            mark, version, sha, *lengths = head.rsplit(b" ", max(0, head.count(b" ") - 1))
            if (mark, int(version)) != (MARK, VERSION):
                raise ValueError("another version")
            self.begin, self.lengths = len(head), [int(length) for length in lengths]
            if hashlib.file_digest(self.file, "sha256").hexdigest() != sha.decode():
                raise ValueError("damaged")
        except BaseException:
            self.file.close()
            raise

    def __getitem__(self, at: int) -> bytes:
        self.file.seek(self.begin + sum(self.lengths[:at]))
        return self.file.read(self.lengths[at])

    def close(self) -> None:
        self.file.close()


def open_parts(path: Path) -> Parts | None:
    """Returns what `write_parts` wrote; None where there is no such file, or one of another version, or damaged."""
    try:
        return Parts(path)
    except (OSError, ValueError):
        return None


def write_parts(path: Path, parts: Sequence[bytes]) -> None:
    """Writes a file of the cache as a whole. Where it cannot be written there is no cache."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    lengths = " ".join(str(len(part)) for part in parts)
    head = f"{MARK.decode()} {VERSION} {digest.hexdigest()} {lengths}\n"
    with contextlib.suppress(OSError):
        write_file(path, b"".join([head.encode(), *parts]))
