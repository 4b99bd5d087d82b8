"""A letter is replaced by one of another script that looks the same; Boucher et al. 2022, sec. IV, arXiv:2106.09898."""

from stackcli.attack._letters import LetterEdits, replace_letter

# Latin letters, each with Cyrillic, Greek or Armenian ones of the same shape: Unicode Technical Standard 39.
ALIKE = {
    "a": "а", "c": "с", "d": "ԁ", "e": "е", "h": "һ", "i": "і", "j": "ј", "l": "ӏ", "n": "ո", "o": "оο", "p": "р",
    "q": "ԛ", "s": "ѕ", "u": "ս", "v": "ѵν", "w": "ԝ", "x": "х", "y": "у",
}  # fmt: skip


class Homoglyph(LetterEdits):
    """A person sees no difference; the tokeniser reads another word, which the stack does not know."""

    def misspell(self, word: str) -> list[str]:
        return [replace_letter(word, i, new) for i, letter in enumerate(word) for new in ALIKE.get(letter, "")]
