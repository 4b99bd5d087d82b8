"""What the attacks on letters share: words whose letters can be changed so that a person still reads them."""

import regex

WORD = regex.compile(r"\p{Latin}[\p{Latin}'’-]*")
LEAST = 4  # letters of a word that is changed


def is_word(token: str) -> bool:
    """Whether a token is a word in Latin letters, long enough to be read with a mistake in it."""
    return sum(map(str.isalpha, token)) >= LEAST and WORD.fullmatch(token) is not None


def replace_letter(token: str, at: int, new: str) -> str:
    """Returns the token with something else in place of one letter."""
    return token[:at] + new + token[at + 1 :]
