"""The mark of a checked property."""

import pytest

from stackcli.diagnostics.checked_property import mark


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((True,), "passed"), ((True, "warning"), "passed"), ((False,), "failed"), ((False, "warning"), "warning")],
)
def test_a_property_passes_or_has_the_mark_named_for_it_or_fails(arguments: tuple[bool, str], expected: str) -> None:
    assert mark(*arguments) == expected
