"""The words of `cost`: lengths, presets, and what is refused before anything is measured."""

import pytest

from stackcli.common import registry
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import cost_points
from stackcli.experiment.cost_points import plan_costs, read_lengths


def test_without_words_three_kinds_are_measured_at_five_lengths() -> None:
    asked = plan_costs([])
    assert asked.axes == ("attention", "seq") and asked.lengths == (256, 512, 1024, 2048, 4096)
    assert [c.attention.name for c in asked.arms.configs] == ["full", "window", "linear"]
    assert {(c.batch, c.pe.name, c.depth, c.seed) for c in asked.arms.configs} == {(1, "sinusoidal", 2, 0)}
    assert len(asked.points) == 15 and {point.max_len for point in asked.points} == {4096}
    assert [point.length for point in asked.points[:5]] == [256, 512, 1024, 2048, 4096]
    (note,) = asked.notes
    assert "attention.reach=64 of window" in note and "pe=sinusoidal" in note and "seq=256,512" in note


@pytest.mark.parametrize("kind", sorted(cost_points.WANTED))
def test_a_window_is_wider_here_unless_its_reach_is_typed(kind: str) -> None:
    (config,) = plan_costs([f"attention={kind}"]).arms.configs
    assert config.attention.options["reach"] == 64
    (typed,) = plan_costs([f"attention={kind}", "attention.reach=2"]).arms.configs
    assert typed.attention.options["reach"] == 2
    swept = plan_costs([f"attention={kind}", "attention.reach=8,16"])
    assert swept.axes == ("attention.reach", "seq") and "reach" not in "".join(swept.notes)


def test_typed_words_replace_the_presets_and_lengths_are_sorted() -> None:
    asked = plan_costs(["seq=64,16", "attention=linear", "depth=1,2", "batch=4", "pe=none", "causal=true"])
    assert asked.lengths == (16, 64) and asked.axes == ("depth", "seq") and asked.notes == ()
    assert {(c.batch, c.pe.name, c.causal) for c in asked.arms.configs} == {(4, "none", True)}
    said = cost_points.describe_plan(asked)
    assert said == "4 points (depth = 1, 2; seq = 16, 64); nothing is trained"


@pytest.mark.parametrize(
    "word,lengths",
    [("seq=8", [8]), ("seq=1e3", [1000]), ("seq=range(8,33,8)", [8, 16, 24, 32]), ("seq=1000000", [1_000_000])],
)
def test_lengths_are_whole_numbers_however_they_are_typed(word: str, lengths: list[int]) -> None:
    assert read_lengths([word]) == (lengths, [])


@pytest.mark.parametrize(
    "word,said",
    [
        ("seq=0", "seq=0: must be at least 1 token; write lengths as seq=256,512,1024"),
        ("seq=-1", "seq=-1: must be at least 1 token"),
        ("seq=abc", "seq=abc: must be a whole number of tokens; write lengths as seq=256,512,1024"),
        ("seq=1.5", "seq=1.5: must be a whole number of tokens"),
        ("seq=true", "seq=true: must be a whole number"),
        ("seq=null", "seq=null: must be a whole number"),
        ("seq=", "seq=: must be a whole number"),
        ("seq=inf", "seq=inf: must be a whole number"),
        ("seq=nan", "seq=nan: must be a whole number"),
        ("seq=1e9", "at most 1,000,000 tokens, the most positions that an encoding may have"),
        ("seq=512,512", "a value is given twice"),
        ("seq=1000,1e3", "a value is given twice"),
        ("seq=[1,2]", "a list or dictionary is no value"),
        ("seq", "settings are written key=value"),
    ],
)
def test_a_length_that_cannot_be_used_is_refused(word: str, said: str) -> None:
    with pytest.raises(UsageError) as found:
        plan_costs([word])
    assert said in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize(
    "words,said",
    [
        ("seeds=3", "time and memory do not depend on the seed; leave seeds out"),
        ("seed=0,1", "seed=0,1: time and memory do not depend on the seed; write one value"),
        ("data=markov", "cost uses random tokens and reads no data"),
        ("data.max_len=64", "write the lengths as seq=256,512,1024"),
        ("match=params", "write dim and ff"),
        ("sqe=256", "unknown key 'sqe'; did you mean seq?"),
        ("dpeth=4", "did you mean depth?"),
        ("seq=8 seq=16", "seq is given twice"),
        ("seq=0 depth=0", "seq=0: must be at least 1 token"),
        ("attention=nonsense", "attention=nonsense: no such choice"),
        ("pe=cope attention=window", "pe=cope needs the scores of all pairs of tokens"),
        ("pe=rope attention=linear", "works on the scores of attention"),
        ("pe=structural attention=full", "cost uses random tokens; write another pe"),
        ("attention=lowrank causal=true", "causal=false"),
        ("pe=learned pe.randomised=true pe.range=512", "the longest input has 4096 positions; pe.range=4096"),
        ("seq=range(1,400) depth=1,2", "points; at most 500"),
        ("heads=3", "not divisible by heads=3"),
    ],
)
def test_settings_that_do_not_fit_are_refused(words: str, said: str) -> None:
    with pytest.raises(ValueError) as found:
        plan_costs(words.split())
    assert said in str(found.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(UsageError) as found:
        plan_costs(["seq=0,-3", "depth=0", "dim=abc"])
    assert len(str(found.value).split("\n")) == 4


def test_every_kind_that_is_given_a_reach_here_has_one() -> None:
    for kind, keys in cost_points.WANTED.items():
        assert keys.keys() <= registry.keys_of("attention", kind).keys()
