"""The pass that attacks the runs of a study."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.atomic_files import read_json, write_json
from stackcli.experiment import attack_pass
from stackcli.experiment.attacked_run import open_attacked_run
from tests.analysis import attacks
from tests.helpers import stackattn, words, write_data

PANEL = {name: [1.0, 3.0, 5.0] for name in ("hotflip", "typo", "shift", "prefix", "windows")}
PANEL |= {"pgd": [0.1, 0.3, 1.0]}
PANEL |= {"reversal": [None]}  # type: ignore[list-item]
ROWS, ITEMS = 30, 5  # texts of the data, and the test items among them


def scores(folder: Path) -> dict[str, dict[str, Any]]:
    paths = sorted((folder / "outputs" / "attacks").glob("*/scores.json"))
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def encodings(folder: Path) -> dict[str, str]:
    """Run -> its encoding."""
    with (folder / "outputs" / "studies" / "s" / "runs.csv").open() as file:
        return {row["run"]: row["pe"] for row in csv.DictReader(file)}


GIVEN = ("pe=learned,relative,none", "seeds=1", "steps=12")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three encodings whose runs were attacked."""
    folder = tmp_path_factory.mktemp("attacked")
    given = words(write_data(folder / "d.csv", ROWS), *GIVEN)
    done = stackattn("compare-pe", *given, "--attack", "--study", "s", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "attacking 100 test items of 3 runs" in done.stderr
    said = " ".join(done.stdout.split())
    assert "accuracy on the attacked items" in said and "share of items flipped, against pe=learned" in said
    return folder


def test_every_run_has_the_counts_of_the_panel_on_the_same_items(place: Path) -> None:
    found = scores(place)
    assert len(found) == 3 and {one["items"] for one in found.values()} == {ITEMS}
    for one in found.values():
        budgets: dict[str, list[float]] = {}
        for row in one["rows"]:
            budgets.setdefault(row["attack"], []).append(row["budget"])
            assert row["items"] == ITEMS and 0 <= row["flipped"] <= row["right"] <= ITEMS
            assert not {"flips", "control_flips"} & set(row)
        assert budgets == PANEL and list(budgets) == list(attack_pass.PANEL) and one["refused"] == {}
    assert {path.name for path in (place / "outputs" / "attacks").glob("*/*")} == {"scores.json"}


def test_what_check_says_of_each_encoding_is_predicted_and_found(place: Path) -> None:
    expected = {
        "learned": {"shift": True, "reversal": True},
        "relative": {"shift": False, "reversal": True},
        "none": {"shift": False, "reversal": False},
    }
    kinds = encodings(place)
    for run, one in scores(place).items():
        assert one["predicted"] == expected[kinds[run]]
        changed = {row["attack"]: row["changed"] for row in one["rows"] if row["budget"] in (5.0, None)}
        assert kinds[run] == "learned" or changed["shift"] == 0
        assert kinds[run] != "none" or (changed["reversal"] == 0 and changed["windows"] == 0)


def test_tables_and_figures_of_the_study_have_the_attacks(place: Path) -> None:
    folder = place / "outputs" / "studies" / "s"
    with (folder / "attacks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 19 and {row["attack"] for row in rows} == set(PANEL)
    with (folder / "attack_differences.csv").open() as file:
        tested = [(row["arm"], row["name"]) for row in csv.DictReader(file) if row["tested"] == "True"]
    assert tested == [(arm, name) for name in ("hotflip 3", "shift 5") for arm in ("relative", "none")]
    drawn = stackattn("plot", "s", "--figure", "robustness", cwd=place)
    assert drawn.returncode == 0 and (folder / "robustness.png").is_file() and (folder / "robustness.svg").is_file()
    assert "check predicts that a shift changes nothing" in (folder / "table.md").read_text()


def test_what_was_attacked_is_not_attacked_again_and_is_shown_without_the_option(place: Path) -> None:
    given = words(place / "d.csv", *GIVEN)
    again = stackattn("compare-pe", *given, "--attack", "--study", "s", cwd=place)
    assert again.returncode == 0 and "attacking" not in again.stderr
    plain = stackattn("compare-pe", *given, "--study", "s", cwd=place)
    assert "accuracy on the attacked items" in plain.stdout
    path = next((place / "outputs" / "attacks").glob("*/scores.json"))
    write_json(path, {**read_json(path), "key": "another"})
    anew = stackattn("compare-pe", *given, "--attack", "--study", "s", cwd=place)
    assert "attacking 100 test items of 1 run" in anew.stderr
    page = stackattn("report", "s", "--format", "md", cwd=place)
    assert page.returncode == 0
    text = (place / "outputs" / "studies" / "s" / "report.md").read_text()
    assert "Accuracy on the attacked items, before and after each attack" in text


def test_depths_are_compared_with_the_shallowest_and_the_page_has_their_tables(tmp_path: Path) -> None:
    given = words(write_data(tmp_path / "d.csv", ROWS), "depth=1,2", "residual=pre", "seeds=1", "steps=8")
    done = stackattn("ablate-depth", *given, "--attack", "--study", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "share of items flipped, against depth 1" in done.stdout
    assert stackattn("report", "s", "--format", "md", cwd=tmp_path).returncode == 0
    text = (tmp_path / "outputs" / "studies" / "s" / "report.md").read_text()
    assert "Share of items flipped, against depth 1" in text


def test_runs_that_cannot_be_attacked_are_named_and_the_others_are_attacked(tmp_path: Path) -> None:
    given = words(write_data(tmp_path / "d.csv", ROWS), "mask=padding,none", "seeds=1", "steps=4")
    done = stackattn("sweep", *given, "--attack", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(1 run): it has mask=none: its answers depend on padding" in " ".join(done.stderr.split())
    assert len(scores(tmp_path)) == 1 and "accuracy on the attacked items" in done.stdout


def test_attacks_that_do_not_go_with_the_data_are_left_out(tmp_path: Path) -> None:
    typed = ("data=order", "data.size=64", "data.train_len=4", "data.longest=1", "dim=8", "heads=2", "ff=1", "steps=4")
    done = stackattn("train", *typed, "--attack", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "typo is left out in 1 run: it changes the letters of words, and data=order has no words" in done.stderr
    ((_, one),) = scores(tmp_path).items()
    assert set(one["refused"]) == {"typo"} and {row["attack"] for row in one["rows"]} == set(PANEL) - {"typo"}
    assert "accuracy on the attacked items" in done.stdout and "against" not in done.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [(("lr=0.1,0.2", "--search", "random"), "--search and --attack"), (("keep=none",), "leave keep=none out")],
)
def test_runs_without_weights_cannot_be_attacked(given: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = stackattn("sweep", *given, "--attack", cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr


def test_rows_are_kept_without_the_numbers_of_single_items_in_the_order_of_the_panel() -> None:
    first, second = attacks.row("reversal", budget=None), attacks.row("hotflip")
    found = attack_pass.summarise_reports([{"rows": [first], "records": []}, {"rows": [second], "records": []}])
    assert [kept["attack"] for kept in found["rows"]] == ["hotflip", "reversal"] and found["masking"] == []
    assert all(set(first) - set(kept) == {"flips", "control_flips"} for kept in found["rows"])


def test_a_run_that_was_attacked_is_named_with_what_the_first_attack_does_at_its_largest_budget() -> None:
    rows = [{"attack": "hotflip", "budget": budget, "flipped": n, "right": 9} for budget, n in ((1.0, 2), (5.0, 7))]
    rows.append({"attack": "shift", "budget": 9.0, "flipped": 0, "right": 9})
    entry = {"point": "pe=none", "settings": {"seed": 3}}
    said = attack_pass.describe_done(entry, {"rows": rows})
    assert said == "pe=none seed=3: hotflip 5 flips 7 of 9 items"
    assert attack_pass.describe_done({**entry, "point": ""}, {"rows": rows}).startswith("seed=3: ")


def test_a_failure_is_told_without_the_name_of_its_run() -> None:
    said = "Traceback ...\nValueError: abc has mask=none: its answers depend on padding"
    assert attack_pass.describe_failure(said, "abc") == "it has mask=none: its answers depend on padding"
    lines = attack_pass.describe_failed({"why": ["a", "b", "c", "d"]})
    assert lines == ["not attacked: a, b, c ... (4 runs): why"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("pe=alibi", "pe.form=symmetric"), {"shift": False, "reversal": False}),
        (("pe=none", "causal=true"), {"shift": False, "reversal": True}),
        (("depth=3", "pe.by_layer=none,none,rope"), {"shift": False, "reversal": True}),
        (("pe=rope", "pe.randomised=true"), {"shift": False, "reversal": None}),
    ],
)
def test_the_prediction_is_about_the_architecture_of_the_run(
    given: tuple[str, ...], expected: dict[str, bool | None], tmp_path: Path
) -> None:
    data = write_data(tmp_path / "d.csv", ROWS)
    done = stackattn("train", *words(data, *given, "steps=1"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "outputs" / "runs").iterdir()
    found = attack_pass.predict_changes(open_attacked_run(tmp_path / "outputs", run.name))
    assert found == expected
