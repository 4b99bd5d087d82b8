"""Times of several sides of a comparison, measured in turn in one process, and the table of their ratios."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

Run = Callable[[], object]
FEWEST, MOST = 3, 25  # rounds
WIDTH = 80  # columns of a terminal


@dataclass(frozen=True)
class Row:
    """A line of a table. seconds: the median time of our side, or of the part that is compared; ratios: one for each
    round; note: what else a reader must know, such as why the numbers are missing."""

    name: str
    seconds: float | None = None
    ratios: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A table. ratio: what the ratios are; text: what was compared, in one sentence."""

    title: str
    ratio: str
    text: str
    rows: tuple[Row, ...]


def measure_turns(
    sides: Mapping[str, Run],
    *,
    rounds: int = 0,
    seconds: float = 10.0,
    warm: bool = True,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Returns the seconds of every call of each side, of this process's processor time or by another `clock`.

    With `warm`, each side is first called once without being counted. Then come rounds: in each, every side has one
    turn, and each round begins with another side. rounds: their number; 0 chooses it by the time of the warm-up,
    `FEWEST` to `MOST`, so that they take about `seconds`.
    """
    names = list(sides)
    began = clock()
    for name in names if warm else ():
        sides[name]()
    rounds = rounds or (count_rounds(clock() - began, seconds) if warm else FEWEST)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            began = clock()
            sides[name]()
            found[name].append(clock() - began)
    return found


def count_rounds(once: float, seconds: float) -> int:
    """Returns how many rounds of `once` seconds fit into `seconds`, within `FEWEST` and `MOST`."""
    return max(FEWEST, min(MOST, int(seconds / max(once, 1e-9))))


def compare_times(
    name: str, shown: Sequence[float], *, over: Sequence[float], under: Sequence[float], calls: int = 1
) -> Row:
    """Returns a row with the median of `shown` and the ratios over / under, one for each round. calls: the steps of a
    turn; the time is that of one step."""
    ratios = tuple(a / b for a, b in zip(over, under, strict=True))
    return Row(name, statistics.median(shown) / calls, ratios)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns the lower quartile, the median and the upper quartile; of one value, the value three times."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def format_seconds(seconds: float) -> str:
    """Returns a time with three digits: 1.23 ms, 45.6 ms, 7.89 s."""
    number, unit = (seconds, "s") if seconds >= 1 else (seconds * 1e3, "ms")
    return f"{number:.{max(0, 2 - (number >= 10) - (number >= 100))}f} {unit}"


def build_table(section: Section) -> Table:
    """Returns the table of a section, for a terminal of 80 columns."""
    table = Table(
        title=f"{section.title}\n{section.text}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        width=WIDTH,
    )
    table.add_column("", ratio=1)
    headings = ("time", section.ratio, "quartiles", "rounds") if any(row.ratios for row in section.rows) else ()
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in section.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> Iterator[str]:
    """Yields the cells of a row: name with its note, time, ratio, quartiles, rounds."""
    yield f"{row.name}: {row.note}" if row.note else row.name
    if row.seconds is not None:
        yield format_seconds(row.seconds)
    if row.ratios:
        low, middle, high = quartiles(row.ratios)
        yield from (f"{middle:.2f}", f"{low:.2f} to {high:.2f}", str(len(row.ratios)))
