"""Collapse: means by layer at the end of training."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.figures import collapse
from tests.figures import factory


@pytest.mark.parametrize("case", factory.FEW)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("collapse", factory.CASES[case]()))


def test_each_panel_is_the_mean_by_layer_at_the_last_step() -> None:
    frames = factory.study({"depth": [2, 4]})
    noise = np.random.default_rng(0).normal(1, 0.01, len(frames.layers))
    frames.layers[["cosine", "rank", "entropy"]] = frames.layers[["cosine", "rank", "entropy"]].mul(noise, axis=0)
    panels = factory.draw("collapse", frames).axes
    for depth in (2, 4):
        rows = frames.layers.query("depth == @depth and step == 200").groupby("layer")
        expected = {
            "cosine": rows["cosine"].mean(),
            "rank": rows["rank"].apply(lambda rank: np.exp(np.log(rank.dropna()).mean())),
            "entropy": rows["entropy"].mean(),  # over seeds and heads
        }
        for axes, values in zip(panels, expected.values(), strict=True):
            (line,) = factory.labelled(axes, f"depth={depth}")
            assert list(line.get_xdata()) == list(range(1, depth + 1)) and np.allclose(line.get_ydata(), values)


def test_the_last_step_of_a_run_that_stopped_early_counts_as_its_end() -> None:
    frames = factory.study({"depth": [2]}, seeds=2)
    frames = replace(frames, layers=frames.layers.query("seed == 0 or step <= 64"))
    (line,) = factory.labelled(factory.draw("collapse", frames).axes[2], "depth=2")
    ends = frames.layers.query("(seed == 0 and step == 200) or (seed == 1 and step == 64)")
    assert np.allclose(line.get_ydata(), ends.groupby("layer")["entropy"].mean())


def test_a_diverged_run_has_its_own_line() -> None:
    frames = factory.study({"depth": [2, 4]}, diverged=[("depth=4", 2)])
    axes = factory.draw("collapse", frames).axes[0]
    (mean,), (single,) = factory.labelled(axes, "depth=4"), factory.labelled(axes, "depth=4 diverged")
    assert mean.get_marker() != "x" and single.get_marker() == "x" and single.get_linewidth() < mean.get_linewidth()


def test_only_what_was_measured_has_a_panel() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames = replace(frames, layers=frames.layers.drop(columns="entropy"))
    assert len(factory.draw("collapse", frames).axes) == 2
    frames.layers[["cosine", "rank"]] = np.nan
    assert collapse.draw(frames) is None


def test_many_lines_of_two_schemes_are_a_row_each_on_one_scale() -> None:
    frames = factory.CASES["two axes"]()
    frames.layers.loc[frames.layers["residual"] == "post", "cosine"] /= 2
    figure = factory.draw("collapse", frames)
    assert factory.titles(figure) == ["residual=pre", "residual=post"] and len(figure.axes) == 6
    pre, post = figure.axes[0], figure.axes[3]
    (one,), (other,) = factory.labelled(pre, "depth=16 residual=pre"), factory.labelled(post, "depth=16 residual=post")
    assert np.allclose(other.get_ydata(), np.asarray(one.get_ydata()) / 2) and one.get_color() == other.get_color()
    assert pre.get_ylim() == post.get_ylim()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"depth={d}" for d in (1, 2, 4, 8, 16)]
