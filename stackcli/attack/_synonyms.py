"""Reads a table of synonyms: a CSV or TSV file with the columns word and synonym, and if there is one, antonym."""

import csv
import io
from pathlib import Path

# Pairs that stand close to each other in word vectors, and so in tables that are made of them.
ANTONYMS = """
above below, absorb emit, accept reject, accelerate decelerate, acid base, acid alkali, add subtract, always never,
anode cathode, ascending descending, attract repel, before after, best worst, big small, boil freeze, boiling freezing,
closed open, cold hot, concave convex, converge diverge, decrease increase, decreases increases, dependent independent,
deep shallow, dry wet, early late, empty full, endothermic exothermic, even odd, expand contract, far near, fast slow,
female male, few many, first last, gain lose, gas solid, greater less, hard soft, heavy light, high low, higher lower,
hypertonic hypotonic, inside outside, largest smallest, left right, less more, liquid solid, long short, loss gain,
maximum minimum, melt freeze, multiply divide, negative positive, new old, north south, numerator denominator,
oxidation reduction, product reactant, proton electron, push pull, rise fall, same different, short tall, small large,
soluble insoluble, strong weak, thick thin, top bottom, true false, up down, vertical horizontal, warm cool,
with without
"""
PAIRS = frozenset(frozenset(pair.split()) for pair in ANTONYMS.replace("\n", " ").split(","))
NEGATIONS = ("un", "in", "im", "il", "ir", "non", "non-", "dis", "anti", "anti-")


def read_synonyms(path: str) -> dict[str, tuple[str, ...]]:
    """Returns word -> its synonyms, all in lower case. Raises ValueError for a file that cannot be read or has other
    columns, and for a synonym that is an antonym: listed as one in the file or here, or made by a negating prefix."""
    rows = read_rows(path)
    opposite = {frozenset((row["word"], row["antonym"])) for row in rows if row.get("antonym")}
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        word, other = row["word"], row["synonym"]
        if not word or not other or word == other:
            continue
        if frozenset((word, other)) in opposite | PAIRS or is_negated(word, other):
            raise ValueError(f"{path}: line {row['line']}: {other!r} is an antonym of {word!r}; remove the line")
        found.setdefault(word, {})[other] = None
    if not found:
        raise ValueError(f"{path}: no row has both a word and a synonym")
    return {word: tuple(others) for word, others in found.items()}


def read_rows(path: str) -> list[dict[str, str]]:
    """Returns the rows of the table, each with its line number as `line`."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8" if isinstance(error, ValueError) else error
        raise ValueError(f"{path}: cannot be read as a table of synonyms: {why}") from None
    tab = "\t" if "\t" in text.partition("\n")[0] else ","
    try:
        return parse_rows(path, csv.DictReader(io.StringIO(text, newline=""), delimiter=tab, strict=True))
    except csv.Error as error:  # a quote that is never closed
        raise ValueError(f"{path}: cannot be read as a table of synonyms: {error}") from None


def parse_rows(path: str, reader: "csv.DictReader[str]") -> list[dict[str, str]]:
    """Returns the rows, with columns and cells in lower case."""
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    if not {"word", "synonym"} <= set(columns):
        named = ", ".join(columns) or "none"
        raise ValueError(f"{path}: a table of synonyms has the columns word and synonym; this file has: {named}")
    reader.fieldnames = columns
    out = []
    for row in reader:
        cells = {key: str(value or "").strip().lower() for key, value in row.items() if isinstance(key, str)}
        out.append({**cells, "line": str(reader.line_num)})
    return out


def is_negated(word: str, other: str) -> bool:
    """Whether one word is the other with a negating prefix.

    >>> is_negated("possible", "impossible"), is_negated("equal", "equals")
    (True, False)
    """
    short, long = sorted((word, other), key=len)
    return any(long == prefix + short for prefix in NEGATIONS)
