"""Times: medians, quartiles and parts as measured."""

import numpy as np
import pytest

from tests.figures import factory

PARTS = ("forward_ms", "backward_ms", "update_ms")


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("time", factory.CASES[case]()))


def test_against_depth_every_part_is_a_line_and_the_step_has_its_quartiles() -> None:
    frames = factory.study({"depth": [1, 2, 4]})
    (axes,) = factory.draw("time", frames).axes
    once = frames.runs.drop_duplicates("depth")
    for column in (*PARTS, "step_ms"):
        (line,) = factory.labelled(axes, column)
        assert list(line.get_xdata()) == [1, 2, 4] and np.array_equal(line.get_ydata(), once[column])
    (bars,) = factory.labelled(axes, "quartiles")
    ends = [(start[1], end[1]) for start, end in bars.get_segments()]
    assert ends == list(zip(once["step_ms_low"], once["step_ms_high"], strict=True))


def test_another_axis_is_a_panel_for_each_value() -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    frames.runs.loc[frames.runs["residual"] == "post", "step_ms"] *= 2
    pre, post = factory.draw("time", frames).axes
    assert (pre.get_title(), post.get_title()) == ("residual=pre", "residual=post")
    (one,), (two,) = factory.labelled(pre, "step_ms"), factory.labelled(post, "step_ms")
    assert np.allclose(2 * np.array(one.get_ydata()), two.get_ydata())
    assert pre.get_yscale() == "log" and pre.get_ylim() == post.get_ylim() and pre.get_ylim()[1] > max(two.get_ydata())


def test_depth_on_a_logarithmic_axis_goes_with_time_on_one_and_the_exponent_is_written() -> None:
    frames = factory.study({"depth": [1, 2, 4, 8]})
    frames.runs["step_ms"] = 3.0 * frames.runs["depth"] ** 0.75
    (axes,) = factory.draw("time", frames).axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["depth^0.75"]
    (even,) = factory.draw("time", factory.study({"depth": [1, 2, 3, 4]})).axes
    assert even.get_yscale() == "linear" and even.get_ylim()[0] == 0 and not even.texts


def test_categories_are_stacked_bars() -> None:
    frames = factory.study({"pe": ["learned", "sinusoidal", "relative"]})
    (axes,) = factory.draw("time", frames).axes
    once = frames.runs.drop_duplicates("pe")
    bars = [axes.containers[i] for i in range(3)]
    for bar, column in zip(bars, PARTS, strict=True):
        assert np.allclose([patch.get_width() for patch in bar], once[column])
    assert np.allclose([patch.get_x() for patch in bars[2]], once["forward_ms"] + once["backward_ms"])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["pe=learned", "pe=sinusoidal", "pe=relative"]


def test_the_conditions_of_the_measurement_are_printed() -> None:
    text = next(
        text for text in factory.draw("time", factory.study({"depth": [1, 2]})).texts if "medians" in text.get_text()
    )
    for words in ("threads 1", "batch 32", "kernel fused", "EPYC"):
        assert words in text.get_text().replace("\n", " ")


def test_points_that_were_not_timed_are_left_out_and_without_any_there_is_no_figure() -> None:
    from stackcli.figures import time

    frames = factory.study({"depth": [1, 2, 4]})
    frames.runs.loc[frames.runs["depth"] == 4, "step_ms"] = np.nan
    (line,) = factory.labelled(factory.draw("time", frames).axes[0], "step_ms")
    assert list(line.get_xdata()) == [1, 2]
    frames.runs["step_ms"] = np.nan
    assert time.draw(frames) is None


def test_hundreds_of_points_do_not_make_an_endless_figure() -> None:
    figure = factory.draw("time", factory.study({"pe": [f"code {i}" for i in range(200)]}, seeds=1))
    assert figure.get_figheight() < 15 and "60 of 200 points shown" in figure.texts[0].get_text().replace("\n", " ")


def test_every_data_set_is_a_panel_of_bars() -> None:
    frames = factory.study({"pe": ["none", "rope"], "data": ["subjects", "digits"]})
    figure = factory.draw("time", frames)
    factory.check(figure)
    assert [axes.get_title() for axes in figure.axes] == ["data=subjects", "data=digits"]
    for axes, data in zip(figure.axes, ("subjects", "digits"), strict=True):
        (steps,) = factory.labelled(axes, "step_ms")
        rows = frames.runs[frames.runs["data"] == data].drop_duplicates("pe")
        assert list(steps.get_xdata()) == list(rows["step_ms"])
        assert [text.get_text() for text in axes.get_yticklabels()] == ["pe=none", "pe=rope"]
