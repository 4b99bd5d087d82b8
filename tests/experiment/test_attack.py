"""Attacks on a trained run, from the items to what is saved."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stackcli.attack.base import Sample
from stackcli.common import registry
from stackcli.config.attack_settings import AskedAttacks, parse_attacks
from stackcli.diagnostics.attacked_stack import AttackedStack
from stackcli.experiment import attack
from stackcli.experiment.attacked_run import AttackedRun, open_attacked_run
from tests.helpers import stackattn


@pytest.fixture(scope="module")
def attacked(classifier: tuple[Path, Path]) -> AttackedRun:
    (stored,) = (classifier[0] / "runs").iterdir()
    return open_attacked_run(classifier[0], stored.name)


def make_report(attacked: AttackedRun, folder: Path, *words: str) -> dict[str, Any]:
    said = list[str]()
    found = attack.run_attacks(attacked, attacked.test_items(0), parse_attacks(words), folder, said.append)
    return {**found, "said": said}


def test_every_attack_keeps_within_its_budget_and_is_counted_afresh(attacked: AttackedRun, tmp_path: Path) -> None:
    words = ("attack.budget=1,2", "substitution.choices=500", "substitution.tries=5000")
    report = make_report(attacked, tmp_path, *words)
    first = [row["attack"] for row in report["rows"] if row["budget"] in (1.0, None)]
    assert first == list(registry.part_names("attack"))
    for row in report["rows"]:
        records = [r for r in report["records"] if (r["attack"], r["budget"]) == (row["attack"], row["budget"])]
        assert len(records) == row["right"] == report["right"] and row["items"] == report["items"]
        assert row["flipped"] == sum(r["said"] != r["truth"] for r in records) == row["flips"].count("1")
        assert row["typed"] == sum(r["typed"] != r["truth"] for r in records)
        assert row["disagree"] == 0
        if row["unit"] == "changed words" and row["changes"] != "vectors":
            for record in records:
                pairs = zip(record["before"].split(), record["after"].split(), strict=True)
                assert sum(a != b for a, b in pairs) <= row["budget"]
    best = next(row for row in report["rows"] if row["attack"] == "substitution")
    assert best["flipped"] == best["right"] > 0  # the one word that decides is replaced by the other


class Liar(AttackedStack):
    """A stack whose answers to an attack are always wrong."""

    def logits(self, samples: Any, at_once: int = 0) -> torch.Tensor:
        return -super().logits(samples)


def test_what_only_the_attack_believes_is_no_success(
    attacked: AttackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackcli.diagnostics.attacked_stack.AttackedStack", Liar)
    row = make_report(attacked, tmp_path, "attack=shift", "attack.budget=1")["rows"][0]
    assert row["disagree"] == row["right"] and row["flipped"] == row["typed"] == 0


def test_vectors_flip_more_than_can_be_typed(attacked: AttackedRun, tmp_path: Path) -> None:
    report = make_report(attacked, tmp_path, "attack=pgd", "attack.budget=0.01,50")
    small, large = report["rows"]
    assert small["typed"] == 0 and large["flipped"] == large["right"]
    assert all(r["after"] == r["before"] for r in report["records"] if r["budget"] == 0.01)
    assert (tmp_path / "pgd-50.npz").is_file()


def test_the_nearest_tokens_of_moved_vectors_are_those_they_were_moved_to(attacked: AttackedRun) -> None:
    victim = attacked.victim()
    sample = Sample(("about", "cats"))
    there = victim.vectors[victim.index["dogs"]] - victim.vectors_of(sample)[1]
    moved = replace(sample, added=torch.stack([torch.zeros_like(there), 0.9 * there]))
    assert attack.nearest_tokens(victim, moved) == ("about", "dogs")
    assert moved.added is not None
    assert attack.nearest_tokens(victim, replace(moved, added=0.01 * moved.added)) == ("about", "cats")


def test_an_attack_that_needs_words_is_left_out_or_refused(tmp_path: Path) -> None:
    small = ("data=order", "data.train_len=4", "data.longest=2", "data.size=64", "dim=8", "heads=2", "steps=4")
    assert stackattn("train", *small, cwd=tmp_path).returncode == 0
    (stored,) = (tmp_path / "outputs" / "runs").iterdir()
    run = open_attacked_run(tmp_path / "outputs", stored.name)
    report = make_report(run, tmp_path / "a", "attack.budget=1")
    assert set(report["refused"]) == {"typo", "swap", "homoglyph"}
    assert report["said"] == [
        "left out: homoglyph, swap, typo: it changes the letters of words, and data=order has no words"
    ]
    for record in report["records"]:  # the true class is that of the changed input
        tokens = record["after"].split()
        if record["attack"] not in ("fgm", "pgd"):
            assert record["truth"] == int(tokens.index("0") < tokens.index("1"))
    assert any(r["truth"] != r["label"] for r in report["records"] if r["attack"] == "reversal")
    with pytest.raises(ValueError, match="attack=typo: it changes the letters of words"):
        make_report(run, tmp_path / "a", "attack=typo")


def test_a_budget_between_two_numbers_of_words_is_refused(attacked: AttackedRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"attack.budget=1.5: the budget of attack=typo is a number of changed words"):
        make_report(attacked, tmp_path, "attack=typo", "attack.budget=1.5")
    assert make_report(attacked, tmp_path, "attack=fgm", "attack.budget=1.5")["rows"][0]["budget"] == 1.5


def test_a_report_is_saved_and_drawn(attacked: AttackedRun, tmp_path: Path) -> None:
    report = make_report(attacked, tmp_path, "attack=typo", "attack.budget=1")
    attack.save_report(report, tmp_path)
    assert json.loads((tmp_path / "attacks.json").read_text())["rows"] == report["rows"]
    files = attack.draw_attacks(report, tmp_path, ["png"])
    assert [path.name for path in files] == ["robustness.png"]
    assert "robustness.png first" in attack.describe_written(tmp_path, files)


def test_reasons_are_said_once_for_all_attacks_that_have_them() -> None:
    assert attack.describe_refused({"a": "no", "b": "no", "c": "never"}) == ["left out: a, b: no", "left out: c: never"]


def test_an_item_that_is_read_as_other_tokens_when_written_anew_is_left_out(
    attacked: AttackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = attacked.test_items(3)
    victim = attacked.victim()
    victim.known["text"] = victim.known["about"]  # as if a single "text" were read otherwise
    monkeypatch.setattr(AttackedRun, "victim", lambda _: victim)
    attacker = attack.Attacker(attacked, [replace(items[0], tokens=("about", "cats")), *items[1:]],
                               AskedAttacks({}), tmp_path)  # fmt: skip
    assert attacker.chosen.items == 1 and attacker.chosen.unwritable == 2


def a_record(**changes: Any) -> attack.Attacked:
    """An item that an attack leaves as it is."""
    texts = {"before": "a b", "after": "a b", "control": "a b"}
    numbers = dict.fromkeys(("item", "label", "truth", "searched", "said", "typed", "queries"), 0)
    return attack.Attacked(**{**texts, **numbers, "control_truth": 0, "control_said": 0, **changes})


@pytest.mark.parametrize(
    ("changes", "kind", "still"),
    [
        ({}, "tokens", True),
        ({"after": "b a"}, "tokens", False),
        ({"moved": 2}, "positions", False),
        ({}, "vectors", False),
        ({"unmoved": True}, "vectors", True),
    ],
)
def test_an_item_is_still_if_nothing_of_it_changes(changes: dict[str, Any], kind: str, still: bool) -> None:
    assert attack.is_still(a_record(**changes), kind) == still


def test_a_row_counts_the_answers_that_change_also_where_the_true_class_does() -> None:
    records = (
        a_record(after="b a", truth=1, said=1, typed=1),  # another class, and the right answer to it
        a_record(after="b a", truth=1, control_said=1),  # the answer stays, which is wrong now
        a_record(),
    )
    method = registry.build_part("attack", "reversal")
    row = attack.summarise_finding(attack.Finding("reversal", None, records), method, attack.Chosen(5, 0))
    assert (row["items"], row["right"], row["flipped"], row["typed"], row["control"]) == (5, 3, 1, 1, 1)
    assert (row["changed"], row["still"], row["flips"], row["control_flips"]) == (1, 1, "010", "010")
