"""What a search prints and writes."""

import json
from pathlib import Path

import pytest

from stackcli.experiment import search_results
from tests.experiment.examples import Said, Tool, options, search_words


def test_json_prints_only_the_final_table_and_more_than_200_trials_need_a_yes(data: Path, tool: Tool) -> None:
    said = tool(*search_words(data, "--json"))
    rows = json.loads(said.out)
    assert [row["arm"] for row in rows if row.get("arm")] == ["defaults", "best of 12"]
    many = tool(*search_words(data, trials=201))
    assert many.code == 2 and "--yes" in many.err and tool.ran == []
    quiet = tool(*search_words(data, "--quiet"))
    assert "The lowest validation loss" in " ".join(quiet.out.split()) and quiet.err == ""


def test_trials_are_shown_with_their_validation_loss_and_without_test_results(searched: Said) -> None:
    assert searched.err.count(": validation loss ") == 12 and searched.err.count(": test accuracy ") == 4
    assert "test" not in " ".join(searched.trials[0])


def test_the_figure_of_a_search_is_drawn_for_the_search_and_not_for_the_study_after_it(data: Path, tool: Tool) -> None:
    said = tool(*search_words(data, "--figures", "svg", trials=5))
    assert said.code == 0, said.err
    drawn = {p.parent.name.endswith("-search") for p in said.folder.glob("outputs/studies/*/importance.svg")}
    assert drawn == {True}


def test_the_choice_is_announced_with_its_loss_in_the_search_and_on_the_fresh_seeds(searched: Said) -> None:
    lowest = min(float(trial["val_loss"]) for trial in searched.trials)
    said = " ".join(searched.out.split())  # the loss is a formula of the settings, so fresh seeds change nothing
    assert f"was {lowest:.3f} in the search and is {lowest:.3f} on the fresh seeds." in said
    assert [trial["trial"] for trial in searched.trials] == [str(n) for n in range(1, 13)]


def test_sentences_are_printed_only_where_stdout_is_not_a_table_for_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ({"json": True}, {"csv": "-"}, {"format": "md"}):
        search_results.print_lines(options(tmp_path, **more), "a sentence")
    assert capsys.readouterr().out == ""
    search_results.print_lines(options(tmp_path, csv="table.csv"), "a [sentence]", "")
    assert capsys.readouterr().out == "a [sentence]\n"
