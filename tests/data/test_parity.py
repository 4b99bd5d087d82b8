"""Every sequence counted again."""

from tests.data.oracle import classed, every_part, load


def test_the_answer_is_the_parity_of_the_ones() -> None:
    loaded = load("parity", longest=2)
    for part in every_part(loaded):
        rows = classed(loaded, part)
        assert all(answer == ("odd" if tokens.count("1") % 2 else "even") for tokens, answer in rows)
        assert 0.3 < sum(part.labels) / len(part) < 0.7
