"""Tensors as bytes, and the hashes of a run's files."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def hashes(folder: Path) -> dict[str, str]:
    """Returns the sha256 of every file in a folder, by name."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir()) if f.is_file()}


def hash_file(path: Path) -> str:
    """Returns the sha256 of a file; an empty text for a file that is not there."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def to_bytes(state: Mapping[str, Any]) -> bytes:
    """Returns tensors and numbers as bytes in the format of `torch.save`."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> dict[str, Any]:
    """Reads what `to_bytes` wrote. Check the hash of the bytes first: a flipped bit would load silently."""
    import torch

    loaded: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    return loaded
