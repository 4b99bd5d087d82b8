"""What is typed after `attack RUN`."""

import pytest

from stackcli.common import registry
from stackcli.config.attack_settings import parse_attacks
from stackcli.config.yaml_files import UsageError


def test_without_words_all_attacks_are_asked_with_their_defaults() -> None:
    asked = parse_attacks([])
    assert tuple(asked.methods) == registry.part_names("attack") and asked.budgets == () and not asked.strict
    assert asked.methods["pgd"]["steps"] == 10


def test_attacks_budgets_and_keys_are_read() -> None:
    asked = parse_attacks(["attack=hotflip,pgd", "attack.budget=1,0.2", "pgd.steps=40", "hotflip.beam=2"])
    assert list(asked.methods) == ["hotflip", "pgd"] and asked.budgets == (1.0, 0.2) and asked.strict
    assert asked.methods["pgd"]["steps"] == 40 and asked.methods["hotflip"]["beam"] == 2


def test_with_one_attack_its_keys_may_follow_the_group() -> None:
    assert parse_attacks(["attack=hotflip", "attack.beam=9"]).methods["hotflip"]["beam"] == 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["attack=hotflop"], "attack=hotflop: no such choice; did you mean hotflip?"),
        (["attack.budget=0"], "a budget is a number above 0"),
        (["attack.budget=many"], "a budget is a number above 0"),
        (["attack.budget=true"], "a budget is a number above 0"),
        (["attack.beam=9"], "write the name of the attack, such as hotflip.beam"),
        (["attack=pgd", "hotflip.beam=9"], "the attacks used are pgd"),
        (["attack=pgd", "pgd.stepps=9"], "attack=pgd has no key 'stepps'; did you mean steps?"),
        (["attack=pgd", "pgd.steps=0"], "pgd.steps=0: must be at least 1"),
        (["budget=3"], "keys are those of an attack, such as hotflip.beam=8"),
    ],
)
def test_what_cannot_be_understood_is_said(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?").replace("[", r"\[")):
        parse_attacks(words)
