"""Every prefix, parsed with a stack."""

from tests.data.oracle import every_part, load, named


def test_the_answer_is_the_innermost_open_bracket() -> None:
    loaded, most = load("dyck", deep=4, longest=2), 0
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            opened: list[str] = []
            for token, answer in zip(tokens, asked, strict=True):
                if token[0] == "(":
                    opened.append(token)
                else:
                    assert opened.pop() == "(" + token[1:]
                assert answer == (opened[-1] if opened else "none")
                most = max(most, len(opened))
    assert most == 4
