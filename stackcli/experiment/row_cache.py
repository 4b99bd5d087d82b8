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
import zlib
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


def read_parts(path: Path) -> list[bytes] | None:
    """Returns what `write_parts` wrote; None where there is no such file, or one of another version, or damaged."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        mark, version, sha, *lengths = head.rsplit(b" ", head.count(b" ") - 1)
        if (mark, int(version), sha.decode()) != (MARK, VERSION, hashlib.sha256(body).hexdigest()):
            return None
        parts, at = [], 0
        for length in map(int, lengths):
            parts.append(zlib.decompress(body[at : at + length]))
            at += length
        return parts
    except (OSError, ValueError, zlib.error, MemoryError):
        return None


def write_parts(path: Path, parts: Sequence[bytes]) -> None:
    """Writes a file of the cache as a whole. Where it cannot be written there is no cache."""
    packed = [zlib.compress(part, 1) for part in parts]
    body = b"".join(packed)
    lengths = " ".join(str(len(part)) for part in packed)
    head = f"{MARK.decode()} {VERSION} {hashlib.sha256(body).hexdigest()} {lengths}\n"
    with contextlib.suppress(OSError):
        write_file(path, head.encode() + body)
