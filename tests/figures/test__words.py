"""Text in a figure: drawn as it was typed, measured, and broken to fit."""

import numpy as np
import pytest

from stackcli.figures import _words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (r"$\frac{1}$", r"$\frac{1}$"),
        ("_x", "_x"),
        ("100 %", "100 %"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("whole 😀", "whole 😀"),
        ("two\nlines\x00", "two lines "),
        (True, "true"),
        (None, "–"),
        (1e-05, "1e-05"),
        (np.float64(0.1), "0.1"),
    ],
)
def test_a_users_text_is_drawn_as_typed_and_what_cannot_be_drawn_is_replaced(value: object, text: str) -> None:
    assert _words.safe_text(value) == text


@pytest.mark.parametrize("text", ["word " * 40, "x" * 200, "日本語" * 30, "a", "", "pe=relative pe.clip=8 depth=16"])
def test_fitted_text_fits(text: str) -> None:
    for room, lines in ((40.0, 1), (60.0, 2), (100.0, 3)):
        fitted = _words.fit(text, room, lines=lines).split("\n")
        assert len(fitted) <= lines and all(_words.width(line) <= room for line in fitted)


def test_text_is_broken_between_words_and_keeps_its_end_when_shortened() -> None:
    assert _words.fit("learned positions", _words.width("learned posi")) == "learned\npositions"
    assert _words.fit("depth=16 residual=post", _words.width("depth=16 residual=po")) == "depth=16\nresidual=post"
    short = _words.fit("a very long name, number 17", 60, lines=1)
    assert short.startswith("a v") and "…" in short and short.endswith("17")


def test_a_setting_is_labelled_with_its_unit_if_it_has_one() -> None:
    assert _words.label("depth") == "depth (blocks)" and _words.label("pe.clip") == "pe.clip"


def test_the_width_of_a_text_is_the_sum_of_its_letters_and_grows_with_its_size() -> None:
    assert _words.width("depth") == pytest.approx(sum(_words.width(letter) for letter in "depth"))
    assert _words.width("depth", 14.0) == pytest.approx(2 * _words.width("depth", 7.0))
    assert _words.width("") == 0


def test_without_room_each_line_and_each_side_of_the_cut_keeps_one_letter() -> None:
    assert _words.fit("depth=16 residual=post", 0.0) == "d\ne…t"
    assert _words.fit("  ", 10.0) == ""
