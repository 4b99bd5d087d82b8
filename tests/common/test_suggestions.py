"""The suggestion that is appended to a message about an unknown name."""

import pytest

from stackcli.common import registry
from stackcli.common.suggestions import SYNONYMS, suggest_nearest
from stackcli.config.grid import setting_keys
from stackcli.config.settings import GROUPS

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


def test_a_name_of_another_library_comes_before_a_similar_name() -> None:
    assert suggest_nearest("layers", ["pe.layers", "depth"]) == "; did you mean depth?"
    assert suggest_nearest("Learning-Rate", ["lr"]) == "; did you mean lr?"
    assert suggest_nearest("layers", ["pe.layers"]) == "; did you mean pe.layers?"  # what it means is not offered


def test_synonyms_are_of_names_that_there_are() -> None:
    parts = {name for group in GROUPS for name in registry.part_names(group)}
    assert set(SYNONYMS.values()) <= {*setting_keys(), *GROUPS, *parts}
