"""Robustness: a panel for each attack, with accuracy before it and after random changes."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.figures import robustness
from tests.analysis.attacked_studies import FLIPPED, attacked_study
from tests.figures import factory


@pytest.mark.parametrize("case", factory.FEW)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    frames = factory.CASES[case]()
    if (frames.runs["status"] != "done").all():
        assert robustness.draw(frames) is None
        return
    factory.check(factory.draw("robustness", attacked_study(frames, slope=1.0)))


def test_each_panel_has_the_means_of_an_attack_before_it_and_after_random_changes() -> None:
    figure = factory.draw("robustness", attacked_study(factory.study({"depth": [1, 2]})))
    assert factory.titles(figure) == list(FLIPPED)
    axes = figure.axes[0]
    first, second = factory.labelled(axes, "mean")
    assert np.allclose(first.get_ydata(), [0.72, 0.56, 0.4])
    flips = np.array([12, 28, 44]) + 1  # and 0, 1, 2 with the seed
    assert np.allclose(second.get_ydata(), (80 - flips) / 100)
    assert np.allclose([line.get_ydata()[0] for line in factory.labelled(axes, "before")], [0.8, 0.8])
    (random,) = factory.labelled(axes, "random")
    # a quarter, rounded down: 2, 6, 10 at depth 1; of 12 to 14, 28 to 30 and 44 to 46 at depth 2
    quarters = np.array([[2] * 3 + [3, 3, 3], [6] * 3 + [7, 7, 7], [10] * 3 + [11, 11, 11]]).mean(1)
    assert np.allclose(random.get_ydata(), (80 - quarters) / 100)
    assert random.get_linestyle() == "--" and factory.labelled(axes, "before")[0].get_linestyle() == ":"
    assert axes.get_xlabel() == "budget (changed words)"


def test_an_attack_without_a_budget_has_one_level() -> None:
    figure = factory.draw("robustness", attacked_study(factory.study({"depth": [1]}), {"reversal": 3}))
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["all"]
    (line,) = factory.labelled(axes, "mean")
    assert np.allclose(line.get_ydata(), [0.77])


def test_several_data_sets_have_a_row_each_with_the_attacks_that_all_of_them_have() -> None:
    frames = attacked_study(factory.study({"data": ["subjects", "order"], "pe": ["learned", "alibi"]}))
    rows = frames.attacks[(frames.attacks["data"] != "order") | (frames.attacks["attack"] != "typo")]
    figure = factory.draw("robustness", replace(frames, attack_rows=lambda: rows))
    shown = ["hotflip", "shift", "pgd", "prefix"]
    assert factory.titles(figure) == [f"data={data}: {attack}" for data in ("subjects", "order") for attack in shown]
    factory.check(figure)


def test_a_line_has_one_look_also_where_an_arm_was_not_attacked() -> None:
    full = attacked_study(factory.study({"pe": ["learned", "relative", "none"]}))
    rows = full.attacks[full.attacks["pe"] != "learned"]
    part = replace(full, attack_rows=lambda: rows)
    looks = [
        [line.get_color() for line in factory.labelled(factory.draw("robustness", frames).axes[0], "mean")]
        for frames in (full, part)
    ]
    assert looks[1] == looks[0][1:]


def test_without_attacks_there_is_nothing_to_draw() -> None:
    assert robustness.draw(factory.study({"depth": [1, 2]})) is None
