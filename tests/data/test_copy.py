"""The answer of every item, compared with its source."""

from tests.data.oracle import every_part, load, named


def test_the_answer_is_the_source_and_nothing_else_is_scored() -> None:
    loaded = load("copy", longest=2)
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            cut = tokens.index(":")
            source = tokens[:cut]
            assert asked == [None] * cut + [*source, ";"] and tokens[cut + 1 :] == source
    assert {len(row) for row in loaded.train.tokens} == {2 * n + 1 for n in range(1, 11)}
