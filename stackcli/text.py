"""Texts and labels -> three parts of token ids. Standard library only."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

PAD, UNKNOWN = 0, 1
RESERVED = ("<pad>", "<unk>")
TEST_SHARE, VAL_SHARE = 0.15, 0.1
MAX_CLASSES = 1000
LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
TOKEN = re.compile(
    r"(?:https?://|www\.)\S+"  # a link
    r"|\d+(?:[.,]\d+)*"  # a number
    r"|[^\W\d_]+(?:['’-][^\W\d_]+)*"  # a word, with inner apostrophes and hyphens
    r"|[^\w\s]|_"  # any other sign, one by one
)


def normalise(text: str) -> str:
    """What makes two texts the same: NFC, one case, one space between words."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def tokens(text: str, *, strip_links: bool = False, strip_punctuation: bool = False) -> list[str]:
    """Words, numbers and signs of a text, in order, in one case.

    >>> tokens("What is 3.5 % of x_1?")
    ['what', 'is', '3.5', '%', 'of', 'x', '_', '1', '?']
    """
    found = TOKEN.findall(normalise(LINK.sub(" ", text) if strip_links else text))
    return [t for t in found if any(c.isalnum() for c in t)] if strip_punctuation else found


def place(text: str) -> str:
    """train, val or test: a threshold on a hash of the normalised text, so a row stays where it is when rows are added
    and equal texts are never parted."""
    share = int.from_bytes(hashlib.sha256(normalise(text).encode("utf-8", "replace")).digest()[:8], "big") / 2**64
    return "test" if share < TEST_SHARE else "val" if share < TEST_SHARE + VAL_SHARE else "train"


def vocabulary(texts: Iterable[Sequence[str]], min_count: int) -> tuple[str, ...]:
    """Padding, the unknown word, then the words seen at least `min_count` times, commonest first."""
    counts = Counter(token for text in texts for token in text)
    kept = sorted((t for t, n in counts.items() if n >= min_count), key=lambda t: (-counts[t], t))
    return RESERVED + tuple(kept)


def encode(text: Sequence[str], ids: dict[str, int], max_len: int) -> tuple[int, ...]:
    """Token ids of a text, cut at `max_len`; a text without any token is one unknown word."""
    return tuple(ids.get(t, UNKNOWN) for t in text[:max_len]) or (UNKNOWN,)


def one_each(rows: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    """Rows without the repeated texts, and what was left out, in words."""
    seen: dict[str, str] = {}
    kept, same, other = [], 0, 0
    for text, label in rows:
        key = normalise(text)
        if key in seen:
            same, other = same + 1, other + (seen[key] != label)
            continue
        seen[key] = label
        kept.append((text, label))
    notice = f"{same} repeated texts left out" + (f", {other} of them with another label" if other else "")
    return kept, [notice] if same else []
