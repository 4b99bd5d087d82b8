"""Reads the scores of the explanations of runs (`--explain`): OUT/explanations/RUN/scores.json. Never loads PyTorch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stackcli.experiment.store import Store

SCORES = "scores.json"
Scored = tuple[Mapping[str, Any], Mapping[str, Any]]  # values that the rows of a run share, and its scores


def scores_path(out: Path, run: str) -> Path:
    """The file of the scores of a run."""
    return out / "explanations" / run / SCORES


def read_scores(store: Store, run: str) -> dict[str, Any]:
    """The scores of a run, empty where it has none. Raises CorruptionError for a damaged file."""
    path = scores_path(store.root, run)
    return store.read(path, "key", "methods", "heads") if path.is_file() else {}


def score_rows(found: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    """Yields a row for each run and method or control."""
    for head, scores in found:
        for kind in ("methods", "controls"):
            for name, row in scores.get(kind, {}).items():
                yield {**head, "method": name, "control": kind == "controls", **row}


def head_rows(found: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    """Yields a row for each run, layer and head."""
    for head, scores in found:
        for row in scores.get("heads", []):
            yield {**head, **row}
