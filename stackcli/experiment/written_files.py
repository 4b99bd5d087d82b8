"""Names the files that a command wrote."""

from collections.abc import Sequence
from pathlib import Path

from stackcli.common.wording import count_noun

FIRST = ("overview", "accuracy", "loss", "gradient", "table")  # files to open first, by name, the best first
PICTURES, TEXTS = (".png", ".svg", ".pdf"), (".md", ".csv")


def abbreviate_files(written: Sequence[Path], folder: Path) -> list[str]:
    """Returns the names of files; names that differ only in their ending become one: accuracy.{png,svg}."""
    endings: dict[Path, list[str]] = {}
    for path in written:
        endings.setdefault(path.with_suffix(""), []).append(path.suffix[1:])
    shown = {stem: stem.name if stem.parent == folder else str(stem) for stem in endings}
    return [f"{shown[s]}.{e[0]}" if len(e) == 1 else f"{shown[s]}.{{{','.join(e)}}}" for s, e in endings.items()]


def describe_files(written: Sequence[Path], folder: Path, question: str = "") -> str:
    """Says where the files are, how many there are, and which to open first; `question` as in `first_to_open`."""
    return f"wrote {count_noun(len(written), 'files')} to {folder}{first_to_open(written, folder, question)}"


def first_to_open(written: Sequence[Path], folder: Path, question: str = "") -> str:
    """Says which file to open first; empty for none. `question`: the name of the figure that answers the question of
    the command, unless the study has an overview."""
    names = [FIRST[0], *filter(None, [question]), *FIRST[1:]]
    best = [folder / f"{name}{ending}" for endings in (PICTURES, TEXTS) for name in names for ending in endings]
    return next((f"; open {path} first" for path in best if path in written), "")
