"""One word typed -> its key and values; or what to type instead."""

import pytest

from stackcli.config.overrides import Interval, Steps, domain_ends, parse_domain, parse_override
from stackcli.config.yaml_files import UsageError


@pytest.mark.parametrize(
    "word,key,values",
    [
        ("depth=4", "depth", (4,)),
        ("depth=1,2,4", "depth", (1, 2, 4)),
        ("depth=range(1,4)", "depth", (1, 2, 3)),
        ("depth=range(1,8,3)", "depth", (1, 4, 7)),
        ("lr=1e-3", "lr", (0.001,)),
        ("causal=true,false", "causal", (True, False)),
        ("pe.clip=8", "pe.clip", (8,)),
        ("data.label='a,b'", "data.label", ("a,b",)),
        ("data.path=~/x.csv", "data.path", ("~/x.csv",)),
        ("data.text=null", "data.text", ("null",)),
    ],
)
def test_a_word_is_a_key_with_typed_values(word: str, key: str, values: tuple[object, ...]) -> None:
    found = parse_override(word)
    assert (found.key, found.values) == (key, values)
    assert [*map(type, found.values)] == [*map(type, values)]


@pytest.mark.parametrize(
    "word,said",
    [
        ("depth", "settings are written key=value"),
        ("--depth=4", "write depth=4"),
        ("+depth=4", "cannot be added or taken away"),
        ("hydra.run.dir=x", "Hydra's own settings"),
        ("data.path=${x}", "write the value"),
        ("a@b=1", "write group=choice"),
        ("depth=1,1", "a value is given twice"),
        ("depth=range(1,4,0)", "finite step that is not 0"),
        ("depth=range(1,1000000)", "999,999 values, at most 100,000"),
        ("lr=interval(0.1,0.2)", "belong to a search"),
        ("depth={a: 1}", "a list or dictionary is no value here"),
        ("depth='", "depth=': ' is opened but not closed; close it or leave it out"),
        ("depth=[1,2", "[ is opened but not closed"),
        ("depth=1)", ") is closed but not opened"),
        ("depth=1,,2", "a value is missing beside a comma; write depth=A,B"),
        ("data.text=a,,b", "a value is missing beside a comma; write data.text=A,B"),
        ("depth=range(,)", "range() is written depth=range(1,9) or range(1,9,2)"),
        ("depth=random(1,2)", "there is no random(); there are range(), interval()"),
        ("depth=(1)", "these characters need quotes; write depth='(1)' for one value, or depth=A,B for several"),
    ],
)
def test_a_word_that_is_no_setting_is_refused_with_what_to_type(word: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_override(word)
    assert said in str(error.value)


def test_what_a_search_may_try_leaves_out_the_end_as_hydra_does() -> None:
    assert parse_domain("depth=range(1,9)") == ("depth", Steps(tuple(range(1, 9))))
    key, domain = parse_domain("lr=tag(log,interval(1e-5,1e-2))")
    assert key == "lr" and isinstance(domain, Interval) and domain.log and not domain.whole
    assert domain.low == 1e-5 and domain.high < 1e-2 and domain.high == pytest.approx(1e-2, rel=1e-12)
    assert parse_domain("depth=int(interval(1,9))")[1] == Interval(1, 8, whole=True)
    assert domain_ends(Interval(1, 8, whole=True)) == (1, 8) and domain_ends(Steps((2, 3, 5))) == (2, 5)
    assert domain_ends(("a", "b", "c")) == ("a", "b", "c")


@pytest.mark.parametrize(
    "word,said",
    [
        ("lr=interval(0.5,0.1)", "from a number to a larger one"),
        ("lr=tag(log,interval(0,1))", "begins above 0"),
        ("depth=tag(log,range(1,9,2))", "whole numbers in steps of 1"),
        ("depth=tag(sqrt,range(1,9))", "the one tag that a search knows is log"),
        ("pe=tag(log,choice(learned,none))", "the values of a choice have no scale"),
    ],
)
def test_a_range_that_no_search_can_use_is_refused(word: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_domain(word)
    assert said in str(error.value)
