"""Conditions on runs."""

import math
from typing import Any

import pytest

from stackcli.experiment.run_filters import (
    check_columns,
    choose_rows,
    describe_nothing,
    is_filter,
    known_columns,
    parse_filters,
    sort_rows,
)


def row(run: str, **more: Any) -> dict[str, Any]:
    usual = {"depth": 1, "pe": "learned", "seed": 0, "status": "done", "test_acc": 0.5, "studies": [], "causal": False}
    return {"run": run, **usual, "finished": "2026-11-28T10:00:00Z", **more}


ROWS = [
    row("a1", depth=1, test_acc=0.9, studies=["new", "old"]),
    row("b2", depth=4, pe="rope", test_acc=0.7, causal=True, **{"pe.base": 10000.0}),
    row("c3", depth=16, pe="rope", status="diverged", test_acc=None, gap_end=math.nan, **{"pe.base": 500.0}),
    row("d4", depth=4, pe="window,full", test_acc=0.8, finished="2026-11-30T10:00:00Z", seed=2**62 + 1, lr=1e-3),
]


def chosen(*words: str) -> str:
    """The letters of the runs that meet the conditions."""
    columns = known_columns(ROWS)
    return "".join(found["run"][0] for found in choose_rows(ROWS, parse_filters(words, columns)))


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ((), "abcd"),
        (("depth=4",), "bd"),
        (("depth=1,16",), "ac"),
        (("depth==4", "pe=rope"), "b"),
        (("depth!=4",), "ac"),
        (("pe!=rope,learned",), "d"),
        (("pe=window,full",), "d"),
        (("depth>4",), "c"),
        (("depth>=4",), "bcd"),
        ((" depth <= 4 ",), "abd"),
        (("test_acc>0.75",), "ad"),
        (("test_acc<1",), "abd"),
        (("acc=0.9",), "a"),
        (("status=diverged",), "c"),
        (("study=old",), "a"),
        (("study=none",), "bcd"),
        (("study!=old",), "bcd"),
        (("causal=true",), "b"),
        (("causal=FALSE",), "acd"),
        (("lr=1e-3",), "d"),
        (("run=b,c3",), "bc"),
        (("seed=4611686018427387905",), "d"),
        (("seed=4611686018427387904",), ""),
        (("finished>2026-11-29",), "d"),
        (("finished=2026-11-28",), "abc"),
        (("pe.base=500",), "c"),
        (("pe.clip=3",), ""),
    ],
)
def test_the_runs_that_meet_every_condition_are_chosen(words: tuple[str, ...], runs: str) -> None:
    assert chosen(*words) == runs


@pytest.mark.parametrize("word", ["gap_end>-1", "gap_end<1", "gap_end!=5", "test_acc!=0.5", "pe.base!=3"])
def test_a_run_without_the_number_never_matches(word: str) -> None:
    key = word.partition("!")[0].partition(">")[0].partition("<")[0]
    assert chosen(word) == "".join(r["run"][0] for r in ROWS if r.get(key) is not None and r[key] == r[key])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("dept=4", "did you mean depth?"),
        ("layers=4", "did you mean depth?"),
        ("test_acc", "in quotes 'test_acc>VALUE'"),
        ("show1", "did you mean show?"),
        ("3f9", "stackattn runs show ID"),
        ("depth=", "a value is missing"),
        ("depth=a", "depth is a number; a is none"),
        ("depth=1,a", "a is none"),
        ("test_acc>nan", "is a number"),
        ("depth>1,2", "is a number"),
        ("pe>3", "only numbers can be compared"),
        ("causal=maybe", "true or false"),
        ("finished>yesterday", "2026-11-28"),
        ("", "no condition"),
        ("=4", "no condition"),
        ("pe.clipp=4", "no such column"),
    ],
)
def test_a_word_that_cannot_be_read_is_answered_with_what_to_type(word: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        chosen("depth=1", word)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_all_wrong_words_are_named_at_once() -> None:
    with pytest.raises(ValueError) as error:
        chosen("dept=1", "sed=0")
    assert str(error.value).count("\n") == 1
    with pytest.raises(ValueError) as error:
        chosen("depth=a", "seed=b")
    assert str(error.value).count("\n") == 1


def test_a_condition_is_told_from_an_id() -> None:
    assert is_filter("depth=4") and is_filter("a > 1") and not is_filter("5b76") and not is_filter("--x=3")


def test_columns_are_known_before_any_run_has_them() -> None:
    assert {"depth", "test_acc", "studies", "seconds"} <= set(known_columns([]))
    assert check_columns(["study", "acc", "depth"], known_columns([])) == ["studies", "test_acc", "depth"]
    with pytest.raises(ValueError, match="--cols dept: no such column; did you mean depth"):
        check_columns(["dept"], known_columns([]), "--cols")


def test_the_condition_that_no_run_meets_is_named() -> None:
    columns = known_columns(ROWS)
    assert (
        describe_nothing(ROWS, parse_filters(["depth=4", "pe=rop"], columns)) == "no run has pe=rop; did you mean rope?"
    )
    assert describe_nothing(ROWS, parse_filters(["depth=99"], columns)) == "no run has depth=99; stored: 1, 4, 16"
    assert describe_nothing(ROWS, parse_filters(["depth=1", "pe=rope"], columns)) == "none of 4 runs matches"


def test_rows_are_sorted_with_missing_values_last_both_ways() -> None:
    assert [r["run"] for r in sort_rows(ROWS, "test_acc")] == ["b2", "d4", "a1", "c3"]
    assert [r["run"] for r in sort_rows(ROWS, "test_acc", descending=True)] == ["a1", "d4", "b2", "c3"]
    assert [r["run"] for r in sort_rows(ROWS, "pe")] == ["a1", "b2", "c3", "d4"]
    assert [r["run"] for r in sort_rows(ROWS, "gap_end")] == ["a1", "b2", "c3", "d4"]
    assert sort_rows(ROWS, "studies")[0]["studies"] == []
