"""Reads what attacks do to the runs of a study (`--attack`): OUT/attacks/RUN/scores.json. Never loads PyTorch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stackcli.experiment.store import Store

SCORES = "scores.json"
Scored = tuple[Mapping[str, Any], Mapping[str, Any]]  # values that the rows of a run share, and its scores


def attack_path(out: Path, run: str) -> Path:
    """The file of what the attacks on a run do."""
    return out / "attacks" / run / SCORES


def read_attacks(store: Store, run: str) -> dict[str, Any]:
    """What the attacks on a run do, empty where it was not attacked. Raises CorruptionError for a damaged file."""
    path = attack_path(store.root, run)
    return store.read(path, "key", "items", "rows", "predicted", "masking") if path.is_file() else {}


def attack_rows(found: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    """Yields a row for each run, attack and budget: the values of its run, the counts that
    `experiment.attack.summarise_finding` describes without those of single items, and

    changed: items that get another answer than before; still: items that the attack leaves as they are, for lack of
    room or of a change that helps; predicted: whether the logits change with a shift or a reversal, by `check`, before
    anything is measured (None for other attacks, and where it cannot be said); masking: the warnings of gradient
    masking of the run.
    """
    for head, scores in found:
        for row in scores.get("rows", ()):
            more = {"predicted": scores["predicted"].get(row["attack"]), "masking": " ".join(scores["masking"])}
            yield {**head, **row, **more}
