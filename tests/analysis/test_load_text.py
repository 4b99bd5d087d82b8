"""Whether a machine did other work while times were measured."""

from collections.abc import Sequence

import pytest

from stackcli.analysis.load_text import describe_load


@pytest.mark.parametrize(
    ("loads", "text"),
    [
        ([0.0, 0.25], "alone on the machine"),
        ([0.26, 0.0], "while other work was running (load 0.3)"),
        ([0.1, 1.84], "while other work was running (load 1.8)"),
        ([None, None], "load of the machine unknown"),
        ([0.1, None], "load of the machine unknown"),
        ([], "load of the machine unknown"),
        (None, "load of the machine unknown"),
    ],
)
def test_the_load_is_said_as_it_was(loads: Sequence[float | None] | None, text: str) -> None:
    assert describe_load(loads) == text
