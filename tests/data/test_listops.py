"""Every expression, evaluated by a second parser."""

import itertools
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from stackcli.common import registry
from stackcli.common.seeding import generator
from stackcli.data.listops import OPERATIONS, ListOps, draw_arguments, uniforms
from tests.data.oracle import classed, every_part, load
from tests.helpers import environment


def read(tokens: list[str], at: int) -> tuple[int, int, dict[int, list[int]]]:
    """Returns (value, index after it, index of each operation -> indices of its children)."""
    if tokens[at][0] != "[":
        return int(tokens[at]), at + 1, {}
    start, values, below = at, list[int](), dict[int, list[int]]()
    hangs, at = list[int](), at + 1
    while tokens[at] != "]":
        hangs.append(at)
        value, at, more = read(tokens, at)
        values.append(value)
        below |= more
    return made(values)[tokens[start]], at + 1, {**below, start: [*hangs, at]}


def made(values: list[int]) -> dict[str, int]:
    """The value of each operation."""
    return {
        "[MAX": max(values),
        "[MIN": min(values),
        "[MED": int(statistics.median(values)),
        "[SM": sum(values) % 10,
    }


@pytest.mark.parametrize(
    ("wide", "deep", "keys"),
    [
        (5, 4, {}),
        (5, 4, {"shortest": 20, "train_len": 100}),
        (2, 6, {"shortest": 4, "train_len": 40}),
        (10, 10, {"shortest": 300, "train_len": 400, "size": 60}),
    ],
)
def test_every_answer_and_every_tree_is_right(wide: int, deep: int, keys: dict[str, int]) -> None:
    loaded, values = load("listops", wide=wide, deep=deep, **{"size": 300, **keys}), set()
    for part in every_part(loaded):
        for (tokens, answer), tree in zip(classed(loaded, part), part.trees, strict=True):
            value, end, below = read(tokens, 0)
            assert end == len(tokens) and str(value) == answer
            assert all(tree[child] == above for above, children in below.items() for child in children)
            assert tree[0] == 0 and 1 + sum(map(len, below.values())) == len(tokens)
            assert all(2 <= len(children) - 1 <= wide for children in below.values())
            opened = itertools.accumulate((t[0] == "[") - (t == "]") for t in tokens)
            assert max(opened) <= deep
            values.add(answer)
    assert len(values) == 10


# ---- long expressions: data.shortest


def lengths(part: Any) -> list[int]:
    return [len(tokens) for tokens in part.tokens]


def test_lengths_lie_between_shortest_and_train_len_and_test_items_are_as_long_as_their_part() -> None:
    loaded = load("listops", shortest=100, train_len=160, size=600)
    found = lengths(loaded.train)
    assert (min(found), max(found)) == (102, 160) and chisquare(np.histogram(found, 5)[0]).pvalue > 0.01
    assert min(lengths(loaded.val)) >= 100 and max(lengths(loaded.val)) <= 160
    assert all(set(lengths(part)) == {n} for n, part in ((160, loaded.test), *loaded.longer))
    pairs = load("listops", shortest=100, train_len=120, wide=2, deep=20)  # two arguments each: 1 + 3 * n tokens
    assert set(lengths(pairs.train)) <= {100, 103, 106, 109, 112, 115, 118} and set(lengths(pairs.test)) == {118}


def test_every_answer_is_equally_frequent_and_independent_of_the_first_operation() -> None:
    part = ListOps(shortest=60, train_len=62, longest=1).part("train", 3000, None)
    answers, first = Counter(part.labels), Counter(int(tokens[0]) for tokens in part.tokens)
    assert len(answers) == 10 and chisquare(list(answers.values())).pvalue > 0.01
    assert len(first) == 4 and chisquare(list(first.values())).pvalue > 0.01
    table = np.zeros((4, 10))
    np.add.at(table, (np.array([tokens[0] - 1 for tokens in part.tokens]), np.array(part.labels)), 1)
    assert chi2_contingency(table).pvalue > 0.01
    operations = Counter(int(t) for tokens in part.tokens for t in tokens if 1 <= t <= 4)
    assert len(operations) == 4 and chisquare(list(operations.values())).pvalue > 0.01


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("count", [2, 3])
def test_drawn_arguments_are_all_the_digits_with_that_value_and_no_others(operation: str, count: int) -> None:
    u = uniforms(generator("test", operation, count))
    right: dict[int, set[tuple[int, ...]]] = {}
    for digits in itertools.product(range(10), repeat=count):
        right.setdefault(made(list(digits))[operation], set()).add(digits)
    for value, expected in right.items():
        found = {tuple(draw_arguments(u, operation, value, count)) for _ in range(25 * len(expected))}
        assert found <= expected and len(found) > 0.9 * len(expected)
    for value in range(10):  # longer lists
        assert all(
            made(draw_arguments(u, operation, value, n))[operation] == value for n in range(4, 12) for _ in range(20)
        )


def test_lengths_that_wide_and_deep_do_not_allow_are_refused() -> None:
    most = 2 + 2 * (2 + 2 * (2 + 2 * 1))  # three nested levels of two arguments
    full = ListOps(wide=2, deep=3, shortest=10, train_len=most, longest=1).part("test", 5, most)
    assert set(lengths(full)) == {most}
    with pytest.raises(ValueError, match=r"data\.wide=2 data\.deep=3 allow 22 tokens, fewer than the 23 of"):
        ListOps(wide=2, deep=3, shortest=10, train_len=most + 1, longest=1)
    with pytest.raises(ValueError, match="fewer than the 44 of"):
        ListOps(wide=2, deep=3, shortest=10, train_len=most, longest=2)
    for shortest in (3, 47, 100):
        with pytest.raises(ValueError, match=rf"data\.shortest={shortest} with data\.train_len=48; it must be 0, or"):
            ListOps(shortest=shortest)


def test_without_shortest_the_data_set_is_the_one_without_that_key() -> None:
    """The fingerprint and the item were recorded before `shortest` existed."""
    plain, long = (registry.build_part("data", "listops", size=300, shortest=n) for n in (0, 20))
    assert plain.fingerprint().startswith("34f49150d79d23eb") and long.fingerprint() != plain.fingerprint()
    assert list(load("listops").train.tokens[0]) == FIRST


FIRST = [2, 4, 1, 10, 12, 5, 1, 2, 12, 12, 5, 2, 9, 14, 10, 5, 5, 8, 5, 12, 12, 11, 14, 5]

MEASURE = """
import re
from pathlib import Path
from stackcli.data.listops import ListOps

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

ListOps(size=4).load()
before = peak()
loaded = ListOps(shortest=1990, train_len=2000, wide=10, deep=10, longest=1, size=1000).load()
held = sum(len(tokens) for part in (loaded.train, loaded.val, loaded.test) for tokens in part.tokens)
print((peak() - before) / held)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_long_expression_takes_at_most_20_bytes_a_token_while_it_is_made() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        capture_output=True,
        text=True,
        check=True,
        env=environment(OMP_NUM_THREADS="1"),
    )
    assert float(done.stdout) < 20  # tuples of ints take 44
