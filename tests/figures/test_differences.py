"""Differences: the figure shows the paired differences of the frame."""

import pytest
from scipy import stats

from stackcli.figures import base
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = base.load_figure("differences")(factory.CASES[case]())
    if figure is not None:
        factory.check(figure)


def test_means_intervals_and_seeds_are_those_of_the_paired_differences() -> None:
    frames = factory.study({"pe": ["learned", "none", "rope"]}, seeds=4)
    (axes,) = factory.draw("differences", frames).axes
    table = frames.runs.pivot(index="seed", columns="pe", values="test_acc")
    means, bars, dots = (factory.labelled(axes, kind) for kind in ("mean", "interval", "seeds"))
    for y, pe in enumerate(("none", "rope")):
        gaps = table[pe] - table["learned"]
        assert list(means[y].get_xdata()) == pytest.approx([gaps.mean()]) and list(means[y].get_ydata()) == [y]
        assert sorted(dots[y].get_xdata()) == pytest.approx(sorted(gaps))
        (segment,) = bars[y].get_segments()
        low, high = stats.t.interval(0.95, 3, gaps.mean(), stats.sem(gaps))
        assert (segment[0][0], segment[1][0]) == pytest.approx((low, high))
    assert [text.get_text() for text in axes.get_yticklabels()] == ["none", "rope"]
    assert axes.get_title() == "against pe=learned"


def test_a_claim_has_a_filled_marker_and_any_other_verdict_a_hollow_one() -> None:
    for seeds, fill in ((3, "none"), (9, "full")):
        frames = factory.study({"pe": ["learned", "none"]}, seeds=seeds)
        frames.runs.loc[frames.runs["pe"] == "none", "test_acc"] -= 0.3
        (mean,) = factory.labelled(factory.draw("differences", frames).axes[0], "mean")
        assert mean.get_fillstyle() == fill


def test_a_single_run_and_a_single_value_have_no_figure() -> None:
    assert base.load_figure("differences")(factory.study()) is None
    assert base.load_figure("differences")(factory.study({"pe": ["learned"]})) is None
    assert base.load_figure("differences")(factory.empty()) is None
