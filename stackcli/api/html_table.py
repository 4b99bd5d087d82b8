"""A table as HTML for a notebook."""

from collections.abc import Sequence
from html import escape


def write_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Returns a table of texts, which are escaped. The first `left` columns are aligned to the left, as text is."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        sides = ("left" if i < left else "right" for i in range(len(texts)))
        each = (f'<{tag} style="text-align:{side}">{escape(t)}</{tag}>' for side, t in zip(sides, texts, strict=True))
        return f"<tr>{''.join(each)}</tr>"

    body = "".join(cells("td", row) for row in rows)
    return f"<table><thead>{cells('th', heads)}</thead><tbody>{body}</tbody></table>"
