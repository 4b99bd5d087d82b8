"""Every expression, evaluated by a second parser."""

import statistics

from tests.data.oracle import classed, every_part, load


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
    made = {
        "[MAX": max(values),
        "[MIN": min(values),
        "[MED": int(statistics.median(values)),
        "[SM": sum(values) % 10,
    }
    return made[tokens[start]], at + 1, {**below, start: [*hangs, at]}


def test_every_answer_and_every_tree_is_right() -> None:
    loaded, values = load("listops", size=300), set()
    for part in every_part(loaded):
        for (tokens, answer), tree in zip(classed(loaded, part), part.trees, strict=True):
            value, end, below = read(tokens, 0)
            assert end == len(tokens) and str(value) == answer
            assert all(tree[child] == above for above, children in below.items() for child in children)
            assert tree[0] == 0 and 1 + sum(map(len, below.values())) == len(tokens)
            assert all(2 <= len(children) - 1 <= 5 for children in below.values())
            values.add(answer)
    assert len(values) == 10
