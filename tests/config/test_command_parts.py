"""The words of launchers and trackers among those of a command."""

import pytest

from stackcli.config.command_parts import LOCAL, CommandParts, split_words
from stackcli.config.settings import NONE
from stackcli.config.yaml_files import UsageError


def test_words_of_other_groups_stay_settings() -> None:
    words = ("depth=1,2", "pe=rope", "launcher=local", "tracker=none")
    rest, parts = split_words(words)
    assert rest == words[:2]
    assert parts == CommandParts(LOCAL, (NONE,), words[2:])
    assert split_words(words[:2]) == (words[:2], CommandParts())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["launcher=locale"], "did you mean local"),
        (["launcher=local,local"], "a value is given twice"),
        (["launcher=local", "launcher=local"], "launcher is given twice"),
        (["launcher.workers=3"], "has no key 'workers'"),
        (["tracker=wandbb"], "no such choice"),
    ],
)
def test_what_cannot_be_used_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split_words(words)
