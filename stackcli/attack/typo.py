"""Mistakes of typing: a letter missing, doubled, or replaced by its neighbour on the keyboard; Pruthi et al. 2019."""

from stackcli.attack._letters import LetterEdits, replace_letter

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a QWERTY keyboard


def keyboard_neighbours(letter: str) -> str:
    """Returns the letters beside one on its row and those above and below it.

    >>> keyboard_neighbours("g")
    'fhtvb'
    """
    for y, row in enumerate(ROWS):
        if letter in row:
            x = row.index(letter)
            near = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
            rows = [(ROWS[v], u) for v, u in near if 0 <= v < len(ROWS)]
            return "".join(row[u] for row, u in rows if 0 <= u < len(row))
    return ""


class Typo(LetterEdits):
    """Words of at least four letters, one mistake a word; the first letter stays. arXiv:1905.11268, sec. 3."""

    def misspell(self, word: str) -> list[str]:
        found = []
        for i in (i for i in range(1, len(word)) if word[i].isalpha()):
            found += [replace_letter(word, i, ""), replace_letter(word, i, word[i] * 2)]
            found += [replace_letter(word, i, near) for near in keyboard_neighbours(word[i])]
        return [form for form in dict.fromkeys(found) if form != word]
