"""Columns of rows as bytes, for the cache: equal to the arrays that they were made of, with their types."""

import json
import zlib
from collections.abc import Sequence
from typing import Any

SAMPLE = 1 << 16  # bytes that decide whether a column is worth compressing


def pack_column(values: Any) -> tuple[str, list[bytes]]:
    """Returns (kind, parts) of a one-dimensional array: of float64 only the numbers that are there, of objects each
    distinct value once."""
    import numpy as np

    if values.dtype == np.int64:
        return "int", [_squeeze(values.tobytes())]
    if values.dtype == np.float64:
        there = ~np.isnan(values)
        return "float", [_squeeze(np.packbits(there).tobytes()), _squeeze(values[there].tobytes())]
    texts: dict[str, int] = {}
    codes = np.array([texts.setdefault(_dump(value), len(texts)) for value in values], dtype=np.int32)
    return "object", [_squeeze(codes.tobytes()), _squeeze("[{}]".format(",".join(texts)).encode())]


def unpack_column(kind: str, parts: Sequence[bytes], size: int) -> Any:
    """The inverse of `pack_column` for an array of this size. Raises ValueError for other content."""
    import numpy as np

    if kind == "int":
        return np.frombuffer(_expand(parts[0]), dtype=np.int64).copy()
    if kind == "float":
        there = np.unpackbits(np.frombuffer(_expand(parts[0]), dtype=np.uint8), count=size).astype(bool)
        out = np.full(size, np.nan)
        out[there] = np.frombuffer(_expand(parts[1]))
        return out
    found = json.loads(bytes(_expand(parts[1])))
    distinct = np.empty(len(found), dtype=object)
    distinct[:] = found
    return distinct[np.frombuffer(_expand(parts[0]), dtype=np.int32)]


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _squeeze(content: bytes) -> bytes:
    """Compresses what becomes much shorter; the first byte says whether it was."""
    if len(zlib.compress(content[:SAMPLE], 1)) < 0.7 * len(content[:SAMPLE]):
        return b"z" + zlib.compress(content, 1)
    return b"r" + content


def _expand(content: bytes) -> bytes | memoryview:
    return zlib.decompress(memoryview(content)[1:]) if content[:1] == b"z" else memoryview(content)[1:]
