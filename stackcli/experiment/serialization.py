"""Tensors as bytes, and the hashes of a run's files."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file in a run's folder, by name."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir()) if f.is_file()}


def to_bytes(state: Mapping[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> dict[str, Any]:
    """Call only on bytes whose hash was checked: a flipped bit would load silently."""
    import torch

    loaded: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    return loaded
