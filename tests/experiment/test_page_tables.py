"""The tables of a page."""

import math
from dataclasses import replace

from rich.table import Table

from stackcli.analysis import findings
from stackcli.experiment import page_tables
from stackcli.experiment.page_tables import Cell, PageTable
from tests.analysis.examples import FLAT, run, typed
from tests.analysis.examples import study as findings_study
from tests.figures.factory import study


def test_the_summary_has_the_means_by_which_it_is_sorted_and_marks_the_baselines() -> None:
    frames = study({"depth": [1, 2, 16]}, diverged=[("depth=16", 0)])
    table = page_tables.summary_table(frames)
    assert [row[0].text for row in table.rows] == ["1", "2", "16", "majority class", "TF-IDF + logistic regression"]
    assert [row[0].value for row in table.rows] == [1, 2, 16, None, None]
    assert table.baseline == (False, False, False, True, True)
    assert table.heads[:2] == ("depth", "done") and "test acc" in table.heads and table.numeric[0]
    at = table.heads.index("test acc")
    runs = frames.runs[frames.runs["status"] == "done"]
    for row, depth in zip(table.rows, (1, 2, 16), strict=False):
        own = runs[runs["depth"] == depth]["test_acc"].tolist()
        mean, both = math.fsum(own) / len(own), " / ".join(f"{acc:.3f}".removeprefix("0") for acc in own)
        assert math.isclose(row[at].value or 0, mean)
        assert row[at].text == both if len(own) == 2 else row[at].text.startswith(f"{mean:.3f}±")
    assert table.rows[2][1] == Cell("2/3 1 div.", 2)


def test_all_runs_are_in_the_table_of_runs_with_what_each_measured() -> None:
    frames = study({"depth": [1, 2]}, seeds=2, diverged=[("depth=2", 1)])
    table = page_tables.run_table(frames)
    assert [row[-1].text for row in table.rows] == list(frames.runs["run"])
    assert [row[2].text for row in table.rows] == ["done", "done", "done", "diverged"]
    at = table.heads.index("test acc")
    first = frames.runs.iloc[0]["test_acc"]
    assert table.rows[0][at] == Cell(f"{first:.3f}", first) and table.rows[3][at] == Cell("")


def test_a_number_is_written_apart_only_where_the_text_does_not_show_it() -> None:
    assert Cell("0.500", 0.5004).hidden_value == "" and Cell("−3", -3.0).hidden_value == ""
    assert Cell("1.31M", 1310720.0).hidden_value == "1.31072e+06" and Cell("0.5±.1", 0.5).hidden_value == "0.5"
    assert Cell("pre").hidden_value == ""


def test_a_text_is_sorted_by_the_number_it_begins_with() -> None:
    assert page_tables.from_text("−0.25 [x]").value == -0.25 and page_tables.from_text("3 of 4").value == 3
    assert page_tables.from_text(".34").value == 0.34 and page_tables.from_text("-.05").value == -0.05
    assert page_tables.from_text("pre").value is None and page_tables.as_number(math.nan) is None
    assert page_tables.as_number(True) is None and page_tables.as_number(2) == 2.0


def test_a_column_is_numeric_where_every_point_has_a_number() -> None:
    rows = ((Cell("a"), Cell("1", 1.0)), (Cell("2", 2.0), Cell("")), (Cell("bag"), Cell("x")))
    table = PageTable("t", ("a", "b"), rows, baseline=(False, False, True))
    assert table.numeric == (False, True)
    assert PageTable("t", ("a", "b"), ()).numeric == (False, False)


def test_a_table_of_the_terminal_keeps_its_cells() -> None:
    table = Table(caption="note")
    for head in ("re-\nsidual", "p\nHolm"):
        table.add_column(head)
    table.add_row("pre", "0.5\nx")
    made = page_tables.from_terminal("what it shows", table)
    assert made.title == "What it shows" and made.heads == ("residual", "p Holm") and made.note == "note"
    assert made.rows == ((Cell("pre"), Cell("0.5 x", 0.5)),)


def test_every_finding_and_every_remedy_has_a_row() -> None:
    words = ("data=majority", "depth=2")
    runs = [run(FLAT, point=point, rank=1e-4, gradient=1e-3) for point in ("a", "b")]
    rows = [{**r, "row": {**typed(*words), **r["row"]}} for r in runs]
    frames = replace(findings_study(*rows), overrides=words)
    found = findings.findings(frames)
    assert {f.point for f in found} == {"a", "b"} and max(len(f.remedies) for f in found) > 1
    wrong, tries = page_tables.finding_tables(frames)
    assert [(row[0].text, row[1].text) for row in wrong.rows] == [(f.point, f.name) for f in found]
    assert [row[2].text for row in tries.rows] == [" ".join(r.words) for f in found for r in f.remedies]
    assert all(row[-1].text.startswith("stackattn sweep ") for row in tries.rows)
    healthy = run()
    assert page_tables.finding_tables(findings_study({**healthy, "row": {**typed(*words), **healthy["row"]}})) == []


def test_what_command_lines_share_is_told_from_what_is_their_own() -> None:
    lines = {"a": "x depth=1 'data.path=my file' seed=0", "b": "x depth=2 'data.path=my file' seed=0"}
    shared, own = page_tables.shared_words(lines)
    assert shared == "x 'data.path=my file' seed=0" and own == {"a": "depth=1", "b": "depth=2"}
    assert page_tables.shared_words({}) == ("", {})
