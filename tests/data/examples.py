"""Small tables of texts in two classes, written and read by several tests."""

from pathlib import Path

from stackcli.data.base import Loaded
from stackcli.data.csv import Csv

CASES = Path(__file__).with_name("cases")


def rows(n: int = 60) -> list[tuple[str, str]]:
    return [(f"text number {i} about {'cats' if i % 2 else 'dogs'}", "cat" if i % 2 else "dog") for i in range(n)]


def content(pairs: list[tuple[str, str]]) -> bytes:
    """The pairs as a CSV file."""
    return ("text,label\n" + "".join(f"{t},{c}\n" for t, c in pairs)).encode()


def tsv(pairs: list[tuple[str, str]]) -> bytes:
    return ("text\tlabel\n" + "".join(f"{t}\t{c}\n" for t, c in pairs)).encode()


def load(tmp_path: Path, data: bytes, name: str = "a.csv", **keys: str) -> Loaded:
    """A file of these bytes, read by `data=csv`."""
    (tmp_path / name).write_bytes(data)
    return Csv(path=str(tmp_path / name), **keys).load()  # type: ignore[arg-type]


def every_text(loaded: Loaded) -> dict[str, set[str]]:
    """Texts of each part."""
    return {name: set(getattr(loaded, name).texts) for name in ("train", "val", "test")}


def all_rows(loaded: Loaded) -> dict[str, str]:
    """Class of each text."""
    parts = (loaded.train, loaded.val, loaded.test)
    return {t: loaded.classes[c] for part in parts for t, c in zip(part.texts, part.labels, strict=True)}
