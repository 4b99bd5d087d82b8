"""Every sum, computed again."""

import pytest

from tests.data.oracle import every_part, load, named


@pytest.mark.parametrize("reverse", [False, True])
def test_every_sum_is_right(reverse: bool) -> None:
    loaded = load("addition", reverse=reverse, longest=2)
    turn = slice(None, None, -1 if reverse else 1)
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            text = "".join(tokens)
            left, right = text.partition(":")[0].split("+")
            assert len(left) == len(right)
            total = f"{int(left[turn]) + int(right[turn]):0{len(left) + 1}d}"[turn]
            assert "".join(filter(None, asked)) == total + ";" and text.partition(":")[2] == total
