"""The suggestion that is appended to a message about an unknown name."""

import pytest

from stackcli.common.suggestions import suggest_nearest

NAMES = ["depth", "dim", "heads"]


@pytest.mark.parametrize(
    ("given", "then", "text"),
    [
        ("dpeth", "", "; did you mean depth?"),
        ("dpeth", "its keys: depth", "; did you mean depth? Its keys: depth"),
        ("xyzzy", "", ""),
        ("xyzzy", "its keys: depth", "; its keys: depth"),
    ],
)
def test_a_similar_name_is_suggested_and_the_next_sentence_starts_with_a_capital(
    given: str, then: str, text: str
) -> None:
    assert suggest_nearest(given, NAMES, then) == text


def test_nothing_is_suggested_without_names() -> None:
    assert suggest_nearest("depth", iter(())) == ""
