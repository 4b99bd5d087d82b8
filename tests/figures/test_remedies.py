"""Each remedy's paired difference to the run as it was, and its step time."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from scipy import stats

from stackcli.analysis.study_data import Frames
from stackcli.figures import base
from stackcli.figures import remedies as remedies_figure
from tests.figures import factory

EFFECTS = {"as it was": 0.0, "warmup=0.2": 0.05, "residual=pre": 0.3}


def remedies(seeds: int = 4, diverged: list[tuple[str, int]] | None = None) -> Frames:
    """Two affected points; residual=pre helps most, and its step takes 1.5 times as long."""
    frames = factory.study(factory.REMEDIES, seeds=seeds, command="remedies", diverged=diverged or [])
    runs = frames.runs
    noise = np.random.default_rng(0).normal(0, 0.01, len(runs))
    runs["test_acc"] = (0.4 + runs["remedy"].map(EFFECTS) + 0.02 * runs["seed"] + noise).where(runs["status"] == "done")
    runs["step_ms"] = np.where(runs["remedy"] == "residual=pre", 15.0, 10.0)
    return frames


def ticks(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def test_means_intervals_and_seeds_are_those_of_the_paired_differences_the_best_on_top() -> None:
    frames = remedies()
    figure = factory.draw("remedies", frames)
    factory.check(figure)
    for axes, affected in zip(figure.axes[::2], ("depth=16", "depth=8"), strict=True):
        table = frames.runs.query("affected == @affected").pivot(index="seed", columns="remedy", values="test_acc")
        means, bars, dots = (factory.labelled(axes, kind) for kind in ("mean", "interval", "seeds"))
        assert ticks(axes) == ["residual=pre", "warmup=0.2"]
        for y, remedy in enumerate(ticks(axes)):
            gaps = table[remedy] - table["as it was"]
            assert list(means[y].get_xdata()) == pytest.approx([gaps.mean()]) and list(means[y].get_ydata()) == [y]
            assert sorted(dots[y].get_xdata()) == pytest.approx(sorted(gaps))
            (segment,) = bars[y].get_segments()
            low, high = stats.t.interval(0.95, 3, gaps.mean(), stats.sem(gaps))
            assert (segment[0][0], segment[1][0]) == pytest.approx((low, high))
        assert axes.get_title(loc="left") == f"{affected}, as it was: {table['as it was'].mean():.3f}"


def test_the_second_panel_is_the_time_of_a_step_relative_to_the_affected_run() -> None:
    figure = factory.draw("remedies", remedies())
    for axes in figure.axes[1::2]:
        (times,) = factory.labelled(axes, "time")
        assert list(times.get_xdata()) == pytest.approx([1.5, 1.0]) and list(times.get_ydata()) == [0, 1]
        assert axes.get_ylim() == figure.axes[0].get_ylim()


def test_without_times_there_is_no_second_panel() -> None:
    frames = remedies()
    frames.runs["step_ms"] = np.nan
    figure = factory.draw("remedies", frames)
    factory.check(figure)
    assert [axes.get_xlabel() for axes in figure.axes] == ["difference in test accuracy (share)"] * 2


def test_of_excess_loss_the_lowest_is_on_top() -> None:
    frames = remedies()
    frames.facts["subjects"]["entropy"] = 0.5
    frames.runs["test_excess"] = 1 - frames.runs["test_acc"]
    axes = factory.draw("remedies", frames).axes[0]
    assert ticks(axes) == ["residual=pre", "warmup=0.2"] and axes.get_xlabel() == "difference in excess loss (nats)"
    assert factory.labelled(axes, "mean")[0].get_xdata()[0] < -0.2


def test_if_the_affected_run_never_finished_the_results_of_the_remedies_are_drawn() -> None:
    broken = [(f"remedy={remedy} affected=depth=16", s) for remedy in ("as it was", "warmup=0.2") for s in range(4)]
    frames = remedies(diverged=broken)
    frames.runs["test_acc"] = frames.runs["test_acc"].fillna(0.99)  # as if it had been tested all the same
    figure = factory.draw("remedies", frames)
    factory.check(figure)
    axes = figure.axes[0]
    (mean,) = factory.labelled(axes, "mean")
    rows = frames.runs.query("affected == 'depth=16' and remedy == 'residual=pre'")
    assert list(mean.get_xdata()) == pytest.approx([rows["test_acc"].mean()]) and mean.get_fillstyle() == "none"
    assert ticks(axes) == ["residual=pre", "warmup=0.2 (0 of 4 done)"]
    assert [text.get_text() for text in axes.texts] == ["no finished run"] and not factory.labelled(axes, "zero")
    assert axes.get_title(loc="left") == "depth=16, as it was (0 of 4 done)"
    assert axes.get_xlabel() == "test accuracy (share); no seed finished both ways"


def test_a_remedy_that_broke_in_some_seeds_says_in_how_many() -> None:
    frames = remedies(diverged=[("remedy=residual=pre affected=depth=8", 2)])
    axes = factory.draw("remedies", frames).axes[2]
    assert ticks(axes)[0] == "residual=pre (3 of 4 done)"
    assert len(factory.labelled(axes, "seeds")[0].get_xdata()) == 3


def test_a_claim_has_a_filled_marker() -> None:
    for seeds, fill in ((4, "none"), (10, "full")):
        axes = factory.draw("remedies", remedies(seeds)).axes[0]
        assert factory.labelled(axes, "mean")[0].get_fillstyle() == fill


def test_many_remedies_are_the_best_twelve_and_many_affected_points_four() -> None:
    names = ["as it was", *(f"weight_decay={i / 100:g}" for i in range(14))]
    axes = {"remedy": names, "affected": [f"depth={i} residual=post" for i in range(5)]}
    frames = factory.study(axes, seeds=1, command="remedies")
    frames.runs["test_acc"] = [0.5 + 0.01 * names.index(remedy) for remedy in frames.runs["remedy"]]
    figure = factory.draw("remedies", frames)
    factory.check(figure)
    assert ticks(figure.axes[0]) == [f"weight_decay={i / 100:g}" for i in range(13, 1, -1)]
    assert len(figure.axes) == 8
    assert "12 of 14 remedies shown; 4 of 5 points shown" in figure.texts[0].get_text()


def test_remedies_are_not_drawn_among_the_differences() -> None:
    assert base.load_figure("differences")(remedies()) is None
    frames = remedies()
    frames.runs["status"] = "diverged"
    assert remedies_figure.draw(frames) is None


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_a_study_that_tried_no_remedies_draws_nothing(case: str) -> None:
    assert remedies_figure.draw(factory.CASES[case]()) is None
