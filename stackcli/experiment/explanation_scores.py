"""Reads the scores of the explanations of runs (`--explain`): OUT/explanations/RUN/scores.json. Never loads PyTorch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import read_json
from stackcli.experiment.store import Store

SCORES = "scores.json"


def scores_path(out: Path, run: str) -> Path:
    """The file of the scores of a run."""
    return out / "explanations" / run / SCORES


def read_scores(store: Store, run: str) -> dict[str, Any]:
    """The scores of a run, empty where it has none. Raises CorruptionError for a damaged file."""
    path = scores_path(store.root, run)
    return dict(read_json(path, "key", "methods", "heads")) if path.is_file() else {}


def score_rows(store: Store, runs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields a row for each run and method or control: what `runs` give for its run, and the scores."""
    for head in runs:
        scores = read_scores(store, head["run"])
        for kind in ("methods", "controls"):
            for name, row in scores.get(kind, {}).items():
                yield {**head, "method": name, "control": kind == "controls", **row}


def head_rows(store: Store, runs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields a row for each run, layer and head."""
    for head in runs:
        for row in read_scores(store, head["run"]).get("heads", []):
            yield {**head, **row}
