"""Checks of the classes of labelled rows in three parts."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from stackcli.data import _tokens as words
from stackcli.data._source import DataError


def check_classes(
    rows: Sequence[tuple[str, str]], parts: dict[str, list[tuple[str, str]]], path: str
) -> tuple[str, ...]:
    """Returns the classes, sorted by `sort_classes`. Raises DataError where they cannot be learned or tested."""
    classes = words.sort_classes(label for _, label in rows)
    if len(classes) < 2:
        raise DataError(f"{path}: only one class, {classes[0]!r}; a classifier needs two")
    if len(classes) > words.MAX_CLASSES:
        raise DataError(f"{path}: {len(classes)} classes, at most {words.MAX_CLASSES}; is data.label the right column?")
    _check_variants({*classes, *(label for _, label in parts["test"])}, path)
    if len(parts["train"]) < len(classes):
        raise DataError(f"{path}: {len(parts['train'])} training rows for {len(classes)} classes; too few")
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise DataError(f"{path}: {len(rows)} rows leave nothing for {' and '.join(empty)}; more rows are needed")
    unknown = sorted({label for _, label in parts["test"]} - set(classes))
    if unknown:
        raise DataError(f"the test file has labels that the training file lacks: {', '.join(map(repr, unknown[:5]))}")
    return classes


def _check_variants(labels: Iterable[str], path: str) -> None:
    """Raises DataError for labels that look alike; invisible characters are shown by their codes."""
    alike: dict[str, list[str]] = {}
    for label in sorted(labels):
        alike.setdefault(words.label_key(label), []).append(label)
    twins = [label for same in alike.values() if len(same) > 1 for label in same]
    if twins:
        raise DataError(
            f"{path}: labels differ only in case, spaces, Unicode form or invisible characters: "
            f"{', '.join(map(_spell, twins))}; write them in one way"
        )


def _spell(label: str) -> str:
    """Returns a label in quotes, with codes for invisible characters."""
    return repr(label) if unicodedata.is_normalized("NFC", label) else ascii(label)


def check_trained(parts: dict[str, list[tuple[str, str]]], classes: Sequence[str], path: str) -> list[str]:
    """Returns a notice for each class without training items. Raises DataError if only one class has any."""
    counts = {name: Counter(label for _, label in part) for name, part in parts.items()}
    trained = [c for c in classes if counts["train"][c]]
    if len(trained) == 1:
        raise DataError(
            f"{path}: the training part has only one class, {trained[0]!r}; more rows of other classes are needed"
        )
    return [
        f"class {c!r} has no training item, so its {counts['val'][c]} validation and {counts['test'][c]} test items"
        " cannot be answered"
        for c in classes
        if not counts["train"][c]
    ]
