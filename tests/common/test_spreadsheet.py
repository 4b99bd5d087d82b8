"""Text that a spreadsheet would take for a formula."""

from typing import Any

import pytest

from stackcli.common.spreadsheet import escape_formula


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@cmd", "\tx"])
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert escape_formula(text) == "'" + text


@pytest.mark.parametrize("value", ["depth=1", "", -1.5, None, True, ["=1"]])
def test_any_other_value_is_left_as_it_is(value: Any) -> None:
    assert escape_formula(value) is value or escape_formula(value) == value


def test_a_carriage_return_does_not_end_the_line() -> None:
    assert escape_formula("a\rb") == "a b"
