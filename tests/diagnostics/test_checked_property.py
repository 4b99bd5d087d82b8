"""The mark of a checked property."""

import pytest

from stackcli.diagnostics.checked_property import mark


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((True,), "passed"), ((True, "warning"), "passed"), ((False,), "failed"), ((False, "warning"), "warning")],
)
def test_a_property_is_marked_as_passed_or_with_the_given_mark(arguments: tuple[bool, str], expected: str) -> None:
    assert mark(*arguments) == expected
