"""Cleans the tokens of texts: folds letters that look like those of another script, and mends misspelt words.

Tokens are in one case already, as `_tokens.split_tokens` gives them, and every token stays one token. Both depend on
the words that a run knows, so that a text is read in the same way in training and by a trained run.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, product
from typing import Literal

import regex

Clean = Literal["none", "unicode", "spelling", "all"]
UNICODE, SPELLING = ("unicode", "all"), ("spelling", "all")
LEAST = 4  # letters of a token that is mended
GREEK_LEAST = 3  # letters of a Greek word that is folded: shorter ones are symbols, such as alpha
MOST = 64  # readings of a token that are tried

# Unicode's confusables.txt, small letters; in, ka, em, te and so on also look like Latin letters as capitals
CYRILLIC = {
    "а": "a", "в": "b", "ь": "b", "с": "c", "ԁ": "d", "е": "e", "ҽ": "e", "ԍ": "g", "н": "h", "һ": "h", "і": "i",
    "ӏ": "li", "ј": "j", "к": "k", "м": "m", "п": "n", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s", "т": "t",
    "ѵ": "v", "ԝ": "w", "ѡ": "w", "х": "x", "у": "y", "ү": "y",
}  # fmt: skip
GREEK = {
    "α": "a", "β": "b", "ε": "e", "η": "nh", "ι": "i", "ϳ": "j", "κ": "k", "μ": "u", "ν": "vn", "ο": "o", "σ": "oc",
    "ρ": "p", "τ": "t", "υ": "uy", "ω": "w", "χ": "x", "γ": "y", "ζ": "z",
}  # fmt: skip
LATIN = {
    "ɑ": "a", "ᴄ": "c", "ɡ": "g", "ı": "i", "ɩ": "i", "ȷ": "j", "ᴋ": "k", "ᴍ": "m", "ᴏ": "o", "ꜱ": "s", "ᴛ": "t",
    "ʋ": "u", "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ʏ": "y", "ᴢ": "z",
}  # fmt: skip
CAPITALS = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")  # Greek, some of whose small letters look otherwise

SCRIPTS = {name: regex.compile(rf"\p{{{name}}}") for name in ("Latin", "Cyrillic", "Greek")}
LETTER = regex.compile(r"\p{L}")
WORD = regex.compile(r"[\p{L}\p{M}'’-]+")
RUN = regex.compile(r"[\p{L}\p{M}]+")
JOINER = regex.compile(r"[\u200c\u200d]")
Options = dict[str, str]


def _inverse(table: Options) -> Options:
    """Latin letter -> the letters of the table that look like it."""
    found: Options = {}
    for letter, latin in table.items():
        found[latin[0]] = found.get(latin[0], "") + letter
    return found


TABLES: dict[str, Options] = {  # script -> what each letter of another may be in it
    "Latin": CYRILLIC | GREEK | LATIN,
    "Cyrillic": _inverse(CYRILLIC),
    "Greek": _inverse(GREEK),
}


def _compatible() -> dict[int, str]:
    """Full-width, mathematical, circled letters and digits, and Roman numerals of one letter -> the plain character."""
    ranges = ((0xFF10, 0xFF5B), (0x1D400, 0x1D800), (0x2100, 0x2150), (0x2160, 0x2180), (0x24B6, 0x24EA))
    plain = {code: unicodedata.normalize("NFKC", chr(code)) for first, last in ranges for code in range(first, last)}
    return {code: text for code, text in plain.items() if len(text) == 1 and text.isalnum() and text != chr(code)}


COMPATIBLE = _compatible()


def fold_characters(text: str) -> str:
    """Returns a text, before it is cut into tokens, with plain letters and digits for full-width and mathematical ones,
    and with Latin capitals for Greek ones in words that also have Latin letters.

    >>> fold_characters("ｗｈａｔ is 𝐱, Μaths?")
    'what is x, Maths?'
    """
    if text.isascii():
        return text

    def fold(found: "regex.Match[str]") -> str:
        word: str = found[0]
        return word.translate(CAPITALS) if SCRIPTS["Latin"].search(word) else word

    folded: str = RUN.sub(fold, text.translate(COMPATIBLE))
    return folded


class Cleaner:
    """Cleans tokens by the words that are known, the most frequent first."""

    def __init__(self, vocab: Sequence[str], clean: Clean) -> None:
        self.vocab, self.known = vocab, frozenset(vocab)
        self.steps: list[Callable[[str], str]] = []
        self.steps += [self.fold] if clean in UNICODE else []
        self.steps += [self.mend] if clean in SPELLING else []
        self.index = index_words(vocab) if clean in SPELLING else {}

    def clean(self, tokens: Sequence[str]) -> list[str]:
        """Returns as many tokens, cleaned."""
        found = list(tokens)
        for step in self.steps:
            found = [step(token) for token in found]
        return found

    def fold(self, token: str) -> str:
        """Returns a token in one script. A part that mixes scripts is folded: to a known word if that is possible, else
        to Latin, or to the other script where only one letter is Latin. A token that is in one script and not known is
        folded only to a known word."""
        parts = [self._fold_mixed(part) for part in regex.split(r"([-'’])", token)]
        found = "".join(parts)
        if found in self.known or (found.isascii() and not LETTER.search(found)):
            return found
        bare = JOINER.sub("", found)
        if SCRIPTS["Greek"].search(bare) and len(LETTER.findall(bare)) < GREEK_LEAST:
            return found
        return next((text for script in TABLES for text in readings(bare, script) if text in self.known), found)

    def _fold_mixed(self, part: str) -> str:
        counts = {} if part.isascii() else count_scripts(part)
        if len(counts) < 2:
            return part
        bare = JOINER.sub("", part)
        possible = {script: list(readings(bare, script)) for script in TABLES}
        every = [text for texts in possible.values() for text in texts]
        known = [text for text in every if text in self.known]
        most = sorted((script for script in counts if possible[script]), key=lambda script: -counts[script])
        likely = "Latin" if "Latin" in most and counts["Latin"] > 1 else next(iter(most), "")
        return (known or possible.get(likely, []) or every or [part])[0]

    def mend(self, token: str) -> str:
        """Returns the most frequent known word that is one edit away from a token that is not known, where there is
        one. An edit inserts, deletes or replaces a letter, or swaps two neighbours (Damerau-Levenshtein distance)."""
        if token in self.known or len(LETTER.findall(token)) < LEAST or not WORD.fullmatch(token):
            return token
        near = sorted({i for form in (token, *deletions(token)) for i in self.index.get(form, ())})
        return next((self.vocab[i] for i in near if is_one_edit(token, self.vocab[i])), token)


@lru_cache(maxsize=8)
def make_cleaner(vocab: tuple[str, ...], clean: Clean) -> Cleaner:
    """Returns a cleaner, the same for the same words: its index takes time to build."""
    return Cleaner(vocab, clean)


def count_scripts(part: str) -> dict[str, int]:
    """Returns script -> its letters in a part of a token, of the scripts that have look-alikes."""
    found = {script: len(pattern.findall(part)) for script, pattern in SCRIPTS.items()}
    return {script: n for script, n in found.items() if n}


def readings(token: str, script: str) -> Iterator[str]:
    """Yields the forms of a token whose letters are all of a script, the likeliest first; none where a letter does not
    look like one of the script. Accents stay on their letters."""
    table, own, options = TABLES[script], SCRIPTS[script], list[str]()
    for letter in unicodedata.normalize("NFD", token):
        if not LETTER.match(letter):
            options.append(letter)
        elif own.match(letter):
            options.append(letter + (table.get(letter, "") if script == "Latin" else ""))
        elif letter in table:
            options.append(table[letter])
        else:
            return
    yield from (unicodedata.normalize("NFC", "".join(text)) for text in islice(product(*options), MOST))


# ---- words that are one edit apart


def index_words(vocab: Sequence[str]) -> dict[str, list[int]]:
    """Returns form -> numbers of the words that are it, or become it without one character. Words that are one edit
    apart share a form, in any alphabet: Garbe 2012, SymSpell."""
    index: dict[str, list[int]] = {}
    for i, word in enumerate(vocab):
        if len(LETTER.findall(word)) >= LEAST - 1 and WORD.fullmatch(word):
            for form in (word, *deletions(word)):
                index.setdefault(form, []).append(i)
    return index


def deletions(word: str) -> list[str]:
    """Returns the forms of a word without one of its characters."""
    return list(dict.fromkeys(word[:i] + word[i + 1 :] for i in range(len(word))))


def is_one_edit(a: str, b: str) -> bool:
    """Returns whether one insertion, deletion, replacement or swap of neighbours makes b of a."""
    if len(a) != len(b):
        return min(a, b, key=len) in deletions(max(a, b, key=len))
    wrong = [i for i in range(len(a)) if a[i] != b[i]]
    if len(wrong) == 2:
        i, j = wrong
        return j == i + 1 and a[i] == b[j] and a[j] == b[i]
    return len(wrong) == 1
