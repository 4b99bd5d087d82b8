"""Attacks in words and tables."""

import io
from typing import Any

from rich.console import Console

from stackcli.analysis import attack_text
from stackcli.analysis.terminal_table import TerminalTable
from tests.analysis.attacks import record, report, row


def printed(table: TerminalTable | Any, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_attacks_are_sorted_by_whether_they_can_be_typed_and_keep_the_label() -> None:
    rows = (row("typo"), row(), row("reversal", budget=None), row("pgd", typed=0), row("shift", typed=0))
    found = dict(attack_text.tabulate_attacks(report(*rows)))
    names = {title: list(table.columns[0].cells) for title, table in found.items()}
    assert {title: [str(name) for name in cells] for title, cells in names.items()} == {
        "Changes that can be typed and keep the label": ["typo"],
        "Changes that can be typed and may change the true label": ["hotflip", "reversal"],
        "Changes of vectors and positions, which cannot be typed": ["pgd", "shift"],
    }


def test_a_row_has_the_accuracies_the_success_rate_and_the_queries() -> None:
    ((_, table),) = attack_text.tabulate_attacks(report(row("typo")))
    line = printed(table).splitlines()[-2].split()
    assert " ".join(line[:2]) == "typo 3" and line[-1] == "12"
    assert ".600" in line and ".400" in line and "3/7" in line and ".429" in line


def test_tables_fit_eighty_columns_with_the_longest_names_and_numbers() -> None:
    wide = row("substitution", items=3000, right=2500, flipped=1500, typed=1500, queries=12345.0, flips="0" * 2500)
    for _, table in attack_text.tabulate_attacks(report(wide, row("pgd", typed=0))):
        for width in (60, 80):
            assert max(map(len, printed(table, width).splitlines())) <= width


def test_the_strongest_change_that_can_be_typed_is_named_beside_random_changes() -> None:
    rows = [row("typo"), row(flips="1111110", budget=5.0), row("pgd", flips="1111111", typed=0)]
    (said,) = attack_text.describe_strongest(rows)
    assert "hotflip at budget 5 flips the most: accuracy .700 falls to .100; random changes" in said and ".600" in said
    assert attack_text.describe_strongest([row(flips="0000000")]) == ["No change that can be typed flips an item."]


def test_an_attack_that_leaves_every_item_as_it_is_is_named() -> None:
    rows = [row("shift", still=7, flips="0000000"), row("typo", still=6)]
    assert "Every item is left as it is, so that nothing is measured: shift." in attack_text.remark_on_attacks(
        report(*rows)
    )


def test_examples_are_texts_that_flip_when_typed_at_the_smallest_budget() -> None:
    kept = record("typo", budget=1.0, item=3)
    others = (record("typo", budget=3.0, item=4), record("typo", typed=0, item=5), record("pgd", item=6))
    given = report(row("typo"), row("pgd"), records=(kept, *others))
    assert attack_text.choose_examples(given, 5) == [kept]


def test_changed_words_are_marked_in_both_texts() -> None:
    texts = ["why", "does", "ice", "float", "on", "water"], ["why", "does", "iec", "float", "on"]
    before, after = attack_text.mark_changes(*texts)
    assert [word for word, changed in before if changed] == ["ice", "water"]
    assert [word for word, changed in after if changed] == ["iec"]
    assert not any(changed for _, changed in attack_text.mark_changes(["a", "b", "c"], ["c", "b", "a"])[1])


def test_an_example_shows_both_texts_with_their_answers() -> None:
    head, before, after = (str(line) for line in attack_text.describe_example(record(), ["Physics", "Biology"]))
    assert head == "typo 1, item 7"
    assert before == "  Physics  why does [ice] float" and after == "  Biology  why does [iec] float"
    assert attack_text.name_example(record(item=-2, budget=None)) == "typo, text 2"


def test_everything_that_is_known_is_printed() -> None:
    given = report(row("typo"), row("pgd", typed=0), records=(record(),))
    said = "".join(printed(part) for part in attack_text.describe_attacks({**given, "unwritable": 2}, 1))
    for part in (
        "run 3f2a: 10 test items, 7 answered rightly and attacked, 3 skipped, 2 items left out",
        "clean accuracy .700 [.40, .89]",
        "Budget: changed words (typo, pgd).",
        "have a mean norm of 8.12.",
        "Texts that flipped",
        "why does [iec] float",
    ):
        assert part in " ".join(said.split()), part
