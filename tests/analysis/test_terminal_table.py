"""A table is laid out for the terminal on which it is printed."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from stackcli.analysis.terminal_table import TerminalTable, share_width

WORDS = "gap at the end 0.54 nats (validation 0.61, train 0.072), above 0.35"


def printed(table: Table, width: int) -> str:
    out = io.StringIO()
    Console(width=width, file=out).print(table)
    return out.getvalue()


def numbers() -> TerminalTable:
    """Two settings and six numbers, as wide as 62 columns."""
    heads = ["depth", "residual", *(f"number\n{i}" for i in range(6))]
    table = TerminalTable(heads, left=(1,), keys=2, names=["depth", "residual", *"abcdef"], drop=("c", "a"))
    for depth in (1, 16):
        table.add_row(str(depth), "post", *(f"{depth}.{i}23456" for i in range(6)))
    return table


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_the_first_columns_stay_and_every_number_is_whole_or_its_column_is_named(width: int) -> None:
    text = printed(numbers(), width)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    words = text.replace(",", " ").replace(";", " ").split()
    assert {"depth", "residual", "1", "16"} <= set(words)
    said = text.partition("not shown at this width:")[2].partition(";")[0].replace("\n", " ").split(",")
    named = [name.strip() for name in said if name.strip()]
    for i, name in enumerate("abcdef"):
        assert (f"16.{i}23456" in words) != (name in named)


def test_columns_are_left_out_in_the_order_given_and_then_from_the_right() -> None:
    orders = [("c",), ("c", "a"), ("c", "a", "f"), ("c", "a", "f", "e")]
    seen = {tuple(numbers().fitting_columns(width) or ()) for width in range(24, 100)}
    every = range(8)
    for names in orders:
        assert tuple(i for i in every if i < 2 or "abcdef"[i - 2] not in names) in seen


def test_a_table_that_needs_all_its_columns_becomes_a_list_with_the_first_column_in_every_entry() -> None:
    table = TerminalTable(("at", "finding", "evidence"), left=range(3), wrap=(1, 2), whole=True, caption="A source.")
    table.add_row("depth=16", "overfitting", WORDS)
    table.add_row("", "rank collapse", "below 0.005")
    wide, narrow = printed(table, 80), printed(table, 40)
    assert "not shown" not in wide + narrow and wide.count("A source.") == narrow.count("A source.") == 1
    assert max(map(len, narrow.splitlines())) <= 40
    assert [line for line in narrow.splitlines() if line.startswith("at ")] == ["at depth=16"] * 2
    assert "  finding: overfitting\n" in narrow and "  finding: rank collapse\n" in narrow
    for text in (wide, narrow):
        assert {"(validation", "0.072),", "overfitting"} <= set(text.split())  # no word is broken


@pytest.mark.parametrize("width", range(40, 90, 7))
def test_no_word_is_broken(width: int) -> None:
    table = TerminalTable(("a finding", "evidence"), left=range(2), wrap=(1,))
    table.add_row("underfitting", WORDS)
    assert set(WORDS.split()) <= set(printed(table, width).split())


def test_brackets_are_text_and_no_markup() -> None:
    table = TerminalTable(("word", "n"))
    table.add_row("[red]x[/red]", "[bold]")
    assert "[red]x[/red]" in printed(table, 80) and "[bold]" in printed(table, 80)


def test_width_that_is_left_over_goes_to_the_column_with_the_most_lines() -> None:
    assert share_width([(5, 5), (10, 40), (10, 20)], 50) == [5, 30, 15]
    assert share_width([(3, 9)], 100) == [9] and share_width([(30, 30)], 10) == [30]
