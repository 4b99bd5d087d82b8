"""Two neighbouring letters of a word change places; Belinkov and Bisk 2018, sec. 4, arXiv:1711.02173."""

from stackcli.attack._letters import LetterEdits


class Swap(LetterEdits):
    """Letters inside a word, neither the first nor the last, so that a person still reads it: Rawlinson 1976. Words of
    at least four letters, one change a word."""

    def misspell(self, word: str) -> list[str]:
        pairs = [i for i in range(1, len(word) - 2) if word[i : i + 2].isalpha() and word[i] != word[i + 1]]
        return [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in pairs]
