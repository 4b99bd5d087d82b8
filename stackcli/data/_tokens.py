"""Texts and labels -> tokens, their ids, and three parts."""

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
MANY_UNKNOWN = 0.3  # share of the test part's tokens above which it is said

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
    rf"|{SIGN}(?:(?<=[\u1039\u17d2]){SIGN})*"  # a sign of such a script, with those that are stacked below it
    rf"|\p{{Regional_Indicator}}{{2}}|{PICTURE}(?:\u200d{PICTURE})*"  # a flag, an emoji sequence
    rf"|[^\s\u200c\u200d]\p{{M}}*",  # any other sign, one by one
    regex.V1,
)
WORD_OR_NUMBER = regex.compile(r"[\p{L}\p{N}]")
NUMBER = regex.compile(r"[+-]?\d+(?:\.\d+)?")


def normalise(text: str) -> str:
    """What makes two texts, words or labels the same: Unicode form (NFC), one case, one space between words, and no
    invisible signs but the joiners, which belong to words.

    >>> normalise(" Stra\\u00dfe  \\u0130zmir ") == "strasse i\\u0307zmir"
    True
    """
    if text.isascii():
        return " ".join(text.lower().split())
    visible = INVISIBLE.sub("", text).replace("\u200b", " ")
    folded = unicodedata.normalize("NFD", visible).casefold()  # folding can undo a form, so the form comes last
    return " ".join(unicodedata.normalize("NFC", folded).split())


def split_tokens(text: str, *, strip_links: bool = False, strip_punctuation: bool = False) -> list[str]:
    """Words, numbers and signs of a text, in order, in one case. A word is letters with their marks, joiners,
    apostrophes and hyphens inside it; in a script without spaces between words each sign with its marks is a token; an
    emoji sequence is one token.

    >>> tokens("What is 3.5 % of x_1?")
    ['what', 'is', '3.5', '%', 'of', 'x', '_', '1', '?']
    """
    plain = normalise(text)
    found: list[str] = TOKEN.findall(LINK.sub(" ", plain) if strip_links else plain)
    return [t for t in found if WORD_OR_NUMBER.search(t)] if strip_punctuation else found


def choose_part(text: str) -> str:
    """train, val or test: a threshold on a hash of the normalised text, so a row stays where it is when rows are added
    and equal texts are never parted."""
    share = int.from_bytes(hashlib.sha256(normalise(text).encode("utf-8", "replace")).digest()[:8], "big") / 2**64
    return "test" if share < TEST_SHARE else "val" if share < TEST_SHARE + VAL_SHARE else "train"


def vocabulary(texts: Iterable[Sequence[str]], min_count: int) -> tuple[str, ...]:
    """Padding, the unknown word, then the words seen at least `min_count` times, commonest first. A text that writes
    `<unk>` or `<pad>` itself gets no second entry of that name: `encode` takes both for unknown words."""
    counts = Counter(token for text in texts for token in text)
    frequent = (t for t, n in counts.items() if n >= min_count and t not in RESERVED)
    return RESERVED + tuple(sorted(frequent, key=lambda t: (-counts[t], t)))


def encode(text: Sequence[str], ids: dict[str, int], max_len: int) -> tuple[int, ...]:
    """Token ids of a text, cut at `max_len`; a text without any token is one unknown word."""
    return tuple(ids.get(t, UNKNOWN) or UNKNOWN for t in text[:max_len]) or (UNKNOWN,)


def unknown_notices(test: Iterable[Sequence[int]], min_count: int) -> list[str]:
    """A notice where many token ids of the test part are `UNKNOWN`, none otherwise."""
    unknown, total = 0, 0
    for text in test:
        unknown, total = unknown + sum(t == UNKNOWN for t in text), total + len(text)
    if unknown <= MANY_UNKNOWN * total:
        return []
    lower = f" or a data.min_count below {min_count}" if min_count > 1 else ""
    return [
        f"{100 * unknown / total:.0f} % of the test part's tokens are unknown, as training saw them too rarely or"
        f" never; more training data{lower} may help"
    ]


def label_key(label: str) -> str:
    """Equal for labels that differ in case, spaces, Unicode form or invisible signs alone."""
    return normalise(regex.sub(r"[\p{Cf}\ufe0e\ufe0f]", "", label))


def sort_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """Each label once: by value where all are numbers, by letters otherwise.

    >>> sort_classes(["10", "9", "10", "1"])
    ('1', '9', '10')
    """
    found = set(labels)
    if all(NUMBER.fullmatch(label) for label in found):
        return tuple(sorted(found, key=lambda label: (float(label), label)))
    return tuple(sorted(found))


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
    notice = f"{count_noun(same, 'repeated texts')} left out" + (
        f", {other} of them with another label" if other else ""
    )
    return kept, [notice] if same else []
