"""Tokens of texts, their ids, the classes of labels, and the split into three parts."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import regex

from stackcli.common.wording import count_noun

PAD, UNKNOWN = 0, 1
RESERVED = ("<pad>", "<unk>")
TEST_SHARE, VAL_SHARE = 0.15, 0.1
MAX_CLASSES = 1000
MANY_UNKNOWN = 0.3  # share of unknown tokens of the test part above which there is a notice

JOINER = r"[\u200c\u200d]"  # ZWNJ and ZWJ
INVISIBLE = regex.compile(r"[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
# scripts that put no space between words
UNSPACED = (
    r"\p{Line_Break=SA}\p{Han}\p{Hiragana}\p{Katakana}\u30fc\uff70\p{Yi}\p{Javanese}\p{Balinese}\p{Tangut}\p{Nushu}"
)
LETTER = rf"[[\p{{L}}\p{{Nl}}\p{{No}}]--[{UNSPACED}]]"
LINK_SIGN = r"""[[!-~]--[<>"]]"""
LINK_END = r"""[[!-~]--[<>".,;:!?')\]]]"""
BRACKETS = r"""\([[!-~]--[<>"()]]*+\)"""
LINK_TEXT = (
    rf"(?:https?://|(?<![\p{{Latin}}\d])www\.)"  # wherever it begins, also inside a run of letters
    rf"(?:{BRACKETS}|(?!{BRACKETS}){LINK_SIGN})*(?:{BRACKETS}|{LINK_END})"  # closing marks belong to the sentence
)
ATOM = rf"(?!{LINK_TEXT}){LETTER}(?:{JOINER}*\p{{M}})*"
PICTURE = r"\p{Extended_Pictographic}[\p{M}\p{Emoji_Modifier}\U000E0020-\U000E007F]*"
SIGN = rf"(?=[{UNSPACED}])\X\p{{M}}*"
LINK = regex.compile(LINK_TEXT, regex.V1)
TOKEN = regex.compile(
    rf"{LINK_TEXT}"
    rf"|\d+(?:[.,\u066b\u066c]\d+)*\p{{M}}*"  # a number, or a keycap
    rf"|{ATOM}(?:(?:{JOINER}*|['’-]){ATOM})*(?:(?<=\p{{M}})\u200d)?"  # a word, with inner apostrophes and hyphens
    rf"|{SIGN}(?:(?<=[\u1039\u17d2]){SIGN})*"  # a character of such a script, with those stacked below it
    rf"|\p{{Regional_Indicator}}{{2}}|{PICTURE}(?:\u200d{PICTURE})*"  # a flag, an emoji sequence
    rf"|[^\s\u200c\u200d]\p{{M}}*",  # any other character
    regex.V1,
)
WORD_OR_NUMBER = regex.compile(r"[\p{L}\p{N}]")
NUMBER = regex.compile(r"[+-]?\d+(?:\.\d+)?")


def normalise(text: str) -> str:
    """Returns the form in which texts, words and labels are compared: Unicode NFC, one case, single spaces, and no
    invisible characters except joiners, which belong to words.

    >>> normalise(" Stra\\u00dfe  \\u0130zmir ") == "strasse i\\u0307zmir"
    True
    """
    if text.isascii():
        return " ".join(text.lower().split())
    visible = INVISIBLE.sub("", text).replace("\u200b", " ")
    folded = unicodedata.normalize("NFD", visible).casefold()  # folding can undo a form, so the form comes last
    return " ".join(unicodedata.normalize("NFC", folded).split())


def split_tokens(text: str, *, strip_links: bool = False, strip_punctuation: bool = False) -> list[str]:
    """Returns the words, numbers and other characters of a text, in order, in one case.

    A word consists of letters with their marks, and of joiners, apostrophes and hyphens between them. In a script
    without spaces between words each character with its marks is a token. An emoji sequence is one token.

    >>> split_tokens("What is 3.5 % of x_1?")
    ['what', 'is', '3.5', '%', 'of', 'x', '_', '1', '?']
    """
    plain = normalise(text)
    found: list[str] = TOKEN.findall(LINK.sub(" ", plain) if strip_links else plain)
    return [t for t in found if WORD_OR_NUMBER.search(t)] if strip_punctuation else found


def choose_part(text: str) -> str:
    """Returns train, val or test, by a hash of the normalised text: a row keeps its part when rows are added, and equal
    texts are in the same part."""
    share = int.from_bytes(hashlib.sha256(normalise(text).encode("utf-8", "replace")).digest()[:8], "big") / 2**64
    return "test" if share < TEST_SHARE else "val" if share < TEST_SHARE + VAL_SHARE else "train"


def vocabulary(texts: Iterable[Sequence[str]], min_count: int) -> tuple[str, ...]:
    """Returns padding, the unknown word, then the words that occur at least `min_count` times, most common first.
    `<unk>` and `<pad>` in a text get no second entry: `encode` makes them unknown words."""
    counts = Counter(token for text in texts for token in text)
    frequent = (t for t, n in counts.items() if n >= min_count and t not in RESERVED)
    return RESERVED + tuple(sorted(frequent, key=lambda t: (-counts[t], t)))


def encode(text: Sequence[str], ids: dict[str, int], max_len: int) -> tuple[int, ...]:
    """Returns the token ids of a text, cut at `max_len`; a text without tokens becomes one unknown word."""
    return tuple(ids.get(t, UNKNOWN) or UNKNOWN for t in text[:max_len]) or (UNKNOWN,)


def unknown_notices(test: Iterable[Sequence[int]], min_count: int) -> list[str]:
    """Returns a notice if many token ids of the test part are `UNKNOWN`, else none."""
    unknown, total = 0, 0
    for text in test:
        unknown, total = unknown + sum(t == UNKNOWN for t in text), total + len(text)
    if unknown <= MANY_UNKNOWN * total:
        return []
    lower = f" or a data.min_count below {min_count}" if min_count > 1 else ""
    return [
        f"{100 * unknown / total:.0f} % of the test part's tokens are unknown, since they are rare or missing in"
        f" the training part; more training data{lower} may help"
    ]


def label_key(label: str) -> str:
    """Returns a key that is equal for labels that differ only in case, spaces, Unicode form or invisible characters."""
    return normalise(regex.sub(r"[\p{Cf}\ufe0e\ufe0f]", "", label))


def sort_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """Returns each label once, sorted by value if all are numbers, else alphabetically.

    >>> sort_classes(["10", "9", "10", "1"])
    ('1', '9', '10')
    """
    found = set(labels)
    if all(NUMBER.fullmatch(label) for label in found):
        return tuple(sorted(found, key=lambda label: (float(label), label)))
    return tuple(sorted(found))


def one_each(rows: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    """Returns the rows without repeated texts, and a notice of those left out."""
    seen: dict[str, str] = {}
    kept, same, other = [], 0, 0
    for text, label in rows:
        key = normalise(text)
        if key in seen:
            same, other = same + 1, other + (seen[key] != label)
            continue
        seen[key] = label
        kept.append((text, label))
    notice = f"{count_noun(same, 'repeated texts')} left out" + (
        f", {other} of them with another label" if other else ""
    )
    return kept, [notice] if same else []
