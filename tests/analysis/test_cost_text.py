"""The sentences of `cost`, on points whose answer is known."""

import pandas as pd

from stackcli.analysis import cost_text
from tests.analysis.test_cost_tables import complete
from tests.figures.test__cost import points

AXES = ("attention", "seq")


def said(frame: pd.DataFrame, axes: tuple[str, ...] = AXES) -> str:
    return "\n".join(cost_text.describe_costs(frame, axes))


def test_kinds_are_compared_at_the_longest_length_of_both() -> None:
    """Full takes n^2, the others n; full has no time at 4,096 tokens."""
    frame = complete(points())
    frame.loc[4, "status"] = "needs memory"
    frame.loc[frame["attention"] == "window", "memory"] *= 1.5
    text = said(frame)
    assert "At 2,048 tokens a training step with attention=window takes 1/2e+03 of" not in text
    assert (
        "At 2,048 tokens a training step with attention=window takes 1/2,048 of the time and 1.5 times the peak" in text
    )
    assert "1 point (attention=full seq=4096): not run, as up to 16.0 GiB would be needed and 8.0 GiB are free." in text


def test_growth_is_given_for_each_arm_or_for_each_kind_of_many() -> None:
    text = said(complete(points()))
    assert "n^2.00 (2.00 to 2.00) with attention=full; n^1.00 (1.00 to 1.00) with attention=window" in text
    assert "(5 lengths; in brackets 95 % intervals)" in text and "A single power" not in text
    many = said(complete(points(depths=(1, 2, 4))), ("attention", "depth", "seq"))
    assert "grows with the length n as n^2.00 with attention=full; n^1.00 with attention=window" in many
    assert "(5 lengths)." in many


def test_a_curve_is_not_called_a_power() -> None:
    frame = complete(points(kinds=("full",)))
    frame["step_ms"] = frame["seq"] + 1e-3 * frame["seq"] ** 2
    assert "the slope with attention=full is 1.27 between the two shortest lengths and 1.74" in said(frame)


def test_crossovers_are_plain_sentences() -> None:
    frame = complete(points())
    frame["step_ms"] = frame["step_ms"].mask(frame["attention"] == "window", 2.0 * frame["seq"])
    frame["step_ms"] = frame["step_ms"].mask(frame["attention"] == "linear", 100.0 * frame["seq"])
    text = said(frame)
    assert "attention=window is faster than full from about 1,000 tokens on." in text
    assert "attention=linear is never faster than full within 256 to 4,096 tokens." in text
    assert "attention=linear is faster than full at every length measured, 256 to 4,096." in said(complete(points()))


def test_a_prediction_names_the_length_that_was_not_measured() -> None:
    text = said(complete(points()))
    assert "with an error of -0 %" not in text and "with an error of +0 %" in text
    assert "At 8,192 tokens, which were not measured, the slowest step, with attention=full, should take" in text
    assert "about 134,218 ms" in text  # 2e-3 * 8192^2


def test_what_the_fused_kernel_saves_is_said_only_where_it_is_much() -> None:
    frame = complete(points())  # scores 2 MiB for each token, memory 1 MiB for each
    assert "keeps no scores" not in said(frame)
    frame["score_bytes"] *= 4
    assert (
        "at 4,096 tokens with attention=full they would take 32.0 GiB (counted), and the whole step took 4.0"
        in said(frame)
    )
    assert "keeps no scores" not in said(frame.assign(kernel="explicit"))


def test_without_any_measured_point_only_what_is_missing_is_said() -> None:
    frame = complete(points(kinds=("full",))).assign(status="failed", why="RuntimeError: x")
    assert said(frame) == (
        "5 points (attention=full seq=256, attention=full seq=512, attention=full seq=1024, attention=full seq=2048,"
        " attention=full seq=4096): failed: RuntimeError: x."
    )


def test_ratios_are_said_as_fractions_or_multiples() -> None:
    assert cost_text.say_share([0.125]) == "1/8 of"
    assert cost_text.say_share([0.125, 0.25]) == "1/8 to 1/4 of"
    assert cost_text.say_share([1.5]) == "1.5 times" and cost_text.say_share([0.5, 2.0]) == "1/2 to 2 times"
    assert cost_text.say_share([1 / 2048]) == "1/2,048 of"
    assert cost_text.say_share([0.97, 1.02]) == "0.97 to 1 times"
