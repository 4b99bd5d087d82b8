"""A table for a terminal of any width: it keeps its first columns, and breaks no word and no number.

At the width of the terminal, columns of text are wrapped between words, and columns that do not fit are left out and
named below. A table whose columns are all needed, or of which only the first columns would be left, is printed as a
list instead, a line for each cell.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

READABLE = 16  # columns that a wrapped text gets at least, if it is as long
WIDER = "a wider terminal shows them"


class TerminalTable(Table):
    """A table whose layout is chosen when it is printed.

    `heads`: a line break in a heading is kept. `left`: numbers of the columns of text; the others are aligned to the
    right. `wrap`: numbers of the columns that may be wrapped between words. `keys`: the first columns, which are never
    left out. `names`: how the columns are called where they are left out, by default the headings; `drop`: the names
    to leave out first, after which come the others from the right. `whole`: no column is left out, and a table that is
    too wide is printed as a list. `hint`: what shows the columns left out."""

    def __init__(
        self,
        heads: Sequence[str],
        *,
        left: Collection[int] = (0,),
        wrap: Collection[int] = (),
        keys: int = 1,
        names: Sequence[str] = (),
        drop: Sequence[str] = (),
        whole: bool = False,
        hint: str = WIDER,
        caption: str = "",
        title: str | None = None,
    ) -> None:
        super().__init__(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=caption or None, title=title)
        self.title_justify = "left"
        self.names = list(names) or [" ".join(head.replace("-\n", "").split()) for head in heads]
        self.wrapped = {*wrap, *(i for i in range(keys) if i in left)}
        self.keys, self.drop, self.whole, self.hint = keys, list(drop), whole, hint
        for i, head in enumerate(heads):
            self.add_column(Text(head), justify="left" if i in left else "right", no_wrap=i not in self.wrapped)

    def add_row(self, *cells: RenderableType | None, **settings: Any) -> None:
        """Adds a row; text is printed as it is, without markup."""
        super().add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells), **settings)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(10, options.max_width), options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = options.max_width
        shown = self.fitting_columns(width)
        if shown is None:
            yield from self._list()
        else:
            yield self._grid(shown, width)
        out = [name for i, name in enumerate(self.names) if shown is not None and i not in shown]
        said = [f"not shown at this width: {', '.join(out)}; {self.hint}"] if out else []
        yield from map(Text, filter(None, [*said, str(self.caption or "")]))

    def fitting_columns(self, width: int) -> list[int] | None:
        """Returns the numbers of the columns that fit; None where the table is to be printed as a list."""
        shown = list(range(len(self.columns)))
        least = [self._least(i) for i in shown]
        first = [self.names.index(name) for name in self.drop if name in self.names]
        order = [i for i in dict.fromkeys([*first, *reversed(shown)]) if i >= self.keys]
        while sum(least[i] for i in shown) + len(shown) + 1 > width:
            if self.whole or len(order) < 2:
                return None
            shown.remove(order.pop(0))
        return shown

    def _texts(self, column: int) -> list[str]:
        return [_plain(self.columns[column].header), *map(_plain, self.columns[column].cells)]

    def _longest(self, column: int) -> int:
        return max((cell_len(line) for text in self._texts(column) for line in text.split("\n")), default=0)

    def _least(self, column: int) -> int:
        """The columns that a column needs: of a wrapped one its longest word, and of a text enough to be readable."""
        longest = self._longest(column)
        if column not in self.wrapped:
            return longest
        word = max((cell_len(word) for text in self._texts(column) for word in text.split()), default=0)
        return min(longest, max(word, READABLE if column >= self.keys else 0))

    def _grid(self, shown: Sequence[int], width: int) -> Table:
        widths = share_width([(self._least(i), self._longest(i)) for i in shown], width - len(shown) - 1)
        out = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, title=self.title, title_justify="left")
        for i, given in zip(shown, widths, strict=True):
            column = self.columns[i]
            out.add_column(
                column.header, justify=column.justify, no_wrap=i not in self.wrapped, width=given, overflow="fold"
            )
        cells = [list(self.columns[i].cells) for i in shown]
        for row, settings in enumerate(self.rows):
            out.add_row(*(column[row] for column in cells), end_section=settings.end_section)
        return out

    def _list(self) -> Iterator[RenderableType]:
        if self.title:
            yield Text(str(self.title))
        cells = [[_one_line(text) for text in self._texts(i)[1:]] for i in range(len(self.columns))]
        last = [""] * self.keys
        for row in range(len(self.rows)):
            first = [column[row] for column in cells[: self.keys]]
            last = [new or old for new, old in zip(first, last, strict=True)] if any(first) else last
            named = zip(self.names, last, strict=False)
            yield Text("\n" + ("  ".join(f"{name} {value}".strip() for name, value in named if value)))
            for name, column in zip(self.names[self.keys :], cells[self.keys :], strict=True):
                if column[row]:
                    yield Padding(Text(f"{name}: {column[row]}" if name else column[row]), (0, 0, 0, 2), expand=False)
        yield Text()


def share_width(needs: Sequence[tuple[int, int]], width: int) -> list[int]:
    """Returns the width of each column, at least its least and at most its longest; what is left over goes to
    the one with the most lines.

    >>> share_width([(5, 5), (10, 40), (10, 20)], 50)
    [5, 30, 15]
    """
    out = [least for least, _ in needs]
    while sum(out) < width:
        growing = [i for i, (_, longest) in enumerate(needs) if out[i] < longest]
        if not growing:
            break
        out[max(growing, key=lambda i: needs[i][1] / out[i])] += 1
    return out


def _plain(cell: Any) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))
