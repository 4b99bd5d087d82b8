"""Text for consoles and pipes of any encoding: what cannot be encoded becomes a readable stand-in of ASCII."""

import codecs
import sys

HANDLER = "stackattn.stand_in"  # name of the error handler
STAND_INS = {
    "±": "+-",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "·": ".",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "…": "...",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "²": "^2",
    "³": "^3",
    "\N{NO-BREAK SPACE}": " ",
    "━": "-",
    "╸": "-",
    "╺": "-",
}


def stand_in(character: str) -> str:
    """Returns ASCII for one character; its escape, such as `\\u4e2d`, where there is none that can be read.

    >>> [stand_in(character) for character in "±→│中"]
    ['+-', '->', '|', '\\\\u4e2d']
    """
    if character in STAND_INS:
        return STAND_INS[character]
    if "\u2500" <= character <= "\u257f":  # box drawing
        return "-" if character in "─━═╌┄┈╴╶╸╺" else "|" if character in "│┃║╎┆┊╵╷╹╻" else "+"
    if "\u2580" <= character <= "\u259f":  # blocks
        return "#"
    return character.encode("ascii", "backslashreplace").decode("ascii")


def make_encodable(text: str, encoding: str) -> str:
    """Returns the text with a stand-in for each character that the encoding lacks.

    >>> make_encodable("0.80±.05 → é", "latin-1")
    '0.80±.05 -> é'
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, HANDLER).decode(encoding)
    return text


def replace_surrogates(text: str) -> str:
    """Returns the text with � for each half of a surrogate pair. JSON and names of files may hold one; no encoding
    does.

    >>> replace_surrogates("half \\ud800 pair")
    'half � pair'
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(stand_in, error.object[error.start : error.end])), error.end


codecs.register_error(HANDLER, _replace)


def prepare_streams() -> None:
    """Lets no output to stdout or stderr fail because a character cannot be encoded."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)
