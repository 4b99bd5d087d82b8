"""How easily the arms of a study are fooled."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from stackcli.analysis import attack_effects as effects
from stackcli.analysis.paired_comparisons import higher_is_better
from tests.analysis.attacked_studies import FLIPPED, attacked_study
from tests.analysis.explanations import printed
from tests.figures import factory

TESTED = ["hotflip 3", "shift 5"]


def test_the_deepest_stack_is_compared_with_the_shallowest_paired_by_seed() -> None:
    frames = attacked_study(factory.study({"depth": [1, 2, 4]}, seeds=8))
    table = effects.attack_differences(frames)
    assert list(table["name"][:2]) == TESTED and list(table["tested"]) == [True] * 2 + [False] * 17
    assert set(table["arm"]) == {4} and set(table["baseline"]) == {1}
    gaps = [(8 + seed) / 80 for seed in range(8)]  # two steps of 4, and the seed, of 80 items
    row = table.iloc[0]
    assert row["mean"] == pytest.approx(sum(gaps) / 8) and row["wins"] == 0 and row["n"] == 8
    assert row["low"] < row["mean"] < row["high"] and row["low"] > 0.1
    assert row["verdict"] == "worse" and row["p_holm"] == pytest.approx(2 * 2 / 2**8)
    others = table[~table["tested"]]
    assert not others["verdict"].any() and others["p"].isna().all() and others["low"].notna().all()


def test_fewer_flips_are_better() -> None:
    assert not higher_is_better("success")
    frames = attacked_study(factory.study({"pe": ["learned", "relative"]}, seeds=8), slope=-4.0)
    row = effects.attack_differences(frames).iloc[0]
    assert row["mean"] == pytest.approx(-0.5 / 80) and row["wins"] == 4 and row["kind"] == "open"


def test_a_smaller_value_of_depth_is_the_baseline_in_whatever_order_they_were_typed() -> None:
    frames = attacked_study(factory.study({"depth": [4, 1]}, seeds=3))
    assert set(effects.attack_differences(frames)["baseline"]) == {1}


def test_every_other_value_of_an_axis_of_names_is_compared_with_the_first() -> None:
    frames = attacked_study(factory.study({"pe": ["none", "rope", "learned"], "depth": [1, 2]}, seeds=3))
    table = effects.attack_differences(frames)
    tested = table[table["tested"]]
    assert list(zip(tested["where"], tested["arm"], tested["name"], strict=True)) == [
        (where, arm, name) for where in ("depth=1", "depth=2") for name in TESTED for arm in ("rope", "learned")
    ]


def test_success_is_a_share_of_the_items_that_were_right_and_accuracy_of_all() -> None:
    shares = effects.attack_shares(attacked_study(factory.study({"depth": [1]}, seeds=1)))
    row = shares[shares["name"] == "hotflip 3"].iloc[0]
    assert row["flipped"] == 24 and row["success"] == 24 / 80 and row["accuracy"] == (80 - 24) / 100
    assert row["clean"] == 0.8 and row["random"] == (80 - 6) / 100 and row["random_success"] == 6 / 80
    assert effects.attack_names(shares)[:4] == ["hotflip 1", "hotflip 3", "hotflip 5", "typo 1"]
    assert effects.attack_names(shares)[-1] == "reversal"
    assert set(effects.largest_budgets(shares)["name"]) == {
        *(f"{name} 5" for name in FLIPPED if name not in ("reversal", "pgd")),
        "reversal",
        "pgd 1",
    }


def test_the_table_has_the_means_of_each_point_and_fits_80_columns() -> None:
    axes = {"pe": ["learned", "sinusoidal"], "data": ["subjects", "digits"]}
    text = printed(effects.attack_table(attacked_study(factory.study(axes))))
    rows = [line.split() for line in text.split("\n")]
    numbers = [".80", ".72", ".56", ".40", ".70", ".60", ".20", ".70", ".75", ".75", ".77"]
    assert ["learned", "subjects", *numbers] in rows
    # at budget 1 hotflip flips 8 + 4 and the seed, 0 to 2: 13 of 80 on average
    assert next(row for row in rows if row[:2] == ["sinusoidal", "digits"])[2:4] == [".80", ".67"]
    assert max(map(len, text.split("\n"))) <= 80 and "not shown" not in text
    assert "random: after random changes of as many words as hotflip" in text


def test_columns_that_do_not_fit_are_named() -> None:
    axes = {"pe": ["learned", "sinusoidal"], "data": ["subjects", "digits"], "residual": ["sandwich", "deepnorm"]}
    text = printed(effects.attack_table(attacked_study(factory.study(axes))))
    assert max(map(len, text.split("\n"))) <= 80
    assert "reversal; a wider terminal or attacks.csv shows them" in " ".join(text.split())


def test_a_point_without_an_attacked_run_is_a_row_of_bars_and_is_not_compared() -> None:
    frames = attacked_study(factory.study({"pe": ["learned", "relative", "none"]}))
    kept = frames.attacks[frames.attacks["pe"] != "none"]
    frames = replace(frames, attack_rows=lambda: kept)
    rows = [line.split() for line in printed(effects.attack_table(frames)).split("\n")]
    assert ["none", *["-"] * 11] in rows
    table = effects.attack_differences(frames)
    none = table[(table["arm"] == "none") & table["tested"]]
    assert list(none["n"]) == [0, 0] and set(none["verdict"]) == {"no pairs"}
    compared = printed(effects.comparison_table(frames))
    row = next(line.split() for line in compared.split("\n") if line.startswith(" none"))
    assert row == ["none", "hotflip", "3", "-", "no", "pairs"] and "nan" not in compared


def test_the_tested_comparisons_are_a_table_of_at_most_80_columns() -> None:
    axes = {"pe": ["none", "sinusoidal", "learned"], "data": ["subjects", "digits"]}
    (_, _), (title, table) = effects.attack_tables(attacked_study(factory.study(axes, seeds=8)))
    assert title == "share of items flipped, against pe=none, paired by seed (lower is better)"
    text = printed(table)
    assert table.row_count == 8 and max(map(len, text.split("\n"))) <= 80 and "…" not in text
    alone = effects.comparison_table(attacked_study(factory.study({"depth": [1, 2]}, seeds=8)))
    row = next(line.split() for line in printed(alone).split("\n") if "shift" in line)
    assert row[:4] == ["2", "shift", "5", "+0.09"] and "0/8" in row and row[-1] == "worse"
    one = attacked_study(factory.study(seeds=2))
    assert effects.comparison_table(one) is None and len(effects.attack_tables(one)) == 1


def test_without_hotflip_the_other_attacks_have_their_columns() -> None:
    frames = attacked_study(factory.study({"depth": [1, 2]}), {"shift": 2})
    text = printed(effects.attack_table(frames))
    assert ["1", ".80", ".70"] in [line.split() for line in text.split("\n")] and "random" not in text
    assert list(effects.attack_differences(frames)["tested"]) == [True, False, False]


def test_two_arms_may_share_a_run() -> None:
    frames = factory.study({"arm": ["one", "two"]}, seeds=3)
    frames.runs["run"] = [f"same/{seed}" for seed in frames.runs["seed"]]
    attacked = attacked_study(frames, slope=0.0)
    attacked.attacks["flipped"] = attacked.attacks["budget"].fillna(1).astype(int)
    found = effects.run_shares(attacked, "success")
    assert len(found) == 6 and found.groupby("arm")["hotflip 5"].mean().nunique() == 1
    assert set(effects.attack_differences(attacked)["mean"]) == {0.0}


def test_without_attacks_there_are_no_tables() -> None:
    plain = factory.study({"depth": [1, 2]})
    assert effects.attack_tables(plain) == [] and effects.attack_differences(plain).empty
    assert effects.attack_shares(plain).empty and isinstance(effects.attack_shares(plain), pd.DataFrame)
    assert effects.write_share(math.nan) == "-" and effects.write_share(0.0) == ".00"
