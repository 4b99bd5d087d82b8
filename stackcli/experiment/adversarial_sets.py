"""Inputs that attacks made, as files: NAME.jsonl, a text a line, and NAME.npz, what is added to token vectors."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stackcli.common.atomic_files import read_lines, write_file
from stackcli.common.records import dumps

REPORT = "attacks.json"  # beside them: all numbers, and the hash of each file

if TYPE_CHECKING:
    from stackcli.attack.base import Sample


def save_set(folder: Path, name: str, samples: Sequence["Sample"], labels: Sequence[int]) -> Path:
    """Writes inputs with the classes that they had before, and returns the path of the texts."""
    import numpy as np

    rows = [
        {"text": " ".join(s.tokens), "label": label, "first": s.first, "tree": list(s.tree)}
        for s, label in zip(samples, labels, strict=True)
    ]
    path = folder / f"{name}.jsonl"
    write_file(path, "".join(dumps(row) + "\n" for row in rows))
    added = {f"a{i}": s.added.float().numpy() for i, s in enumerate(samples) if s.added is not None}
    if added:
        out = io.BytesIO()
        np.savez_compressed(out, **added)  # type: ignore[arg-type]
        write_file(path.with_suffix(".npz"), out.getvalue())
    else:
        path.with_suffix(".npz").unlink(missing_ok=True)
    return path


def read_set(path: Path) -> tuple[list[str], list["Sample"]]:
    """Returns the texts of a set, and its inputs with what is added to their token vectors."""
    import numpy as np
    import torch

    from stackcli.attack.base import Sample

    rows, vectors = read_lines(path), path.with_suffix(".npz")
    added = {}
    if vectors.is_file():
        with np.load(vectors, allow_pickle=False) as found:
            added = {key: torch.from_numpy(found[key]) for key in found.files}
    samples = [
        Sample(tuple(row["text"].split(" ")), row["first"], tuple(row["tree"]), added.get(f"a{i}"))
        for i, row in enumerate(rows)
    ]
    return [row["text"] for row in rows], samples
