"""Texts -> tokens and parts."""

from hypothesis import given
from hypothesis import strategies as st

from stackcli import text as words


def test_words_numbers_and_signs_are_tokens_in_order() -> None:
    said = words.tokens("Don't heat 3.5 g (at 1,000 Pa) of x_1!")
    assert said == ["don't", "heat", "3.5", "g", "(", "at", "1,000", "pa", ")", "of", "x", "_", "1", "!"]


def test_a_link_is_one_token_and_can_be_stripped() -> None:
    text = "See https://example.org/a?b=1 now"
    assert words.tokens(text) == ["see", "https://example.org/a?b=1", "now"]
    assert words.tokens(text, strip_links=True) == ["see", "now"]


def test_punctuation_can_be_stripped_and_numbers_stay() -> None:
    assert words.tokens("Is 5 > 3?", strip_punctuation=True) == ["is", "5", "3"]


@given(st.text(max_size=40))
def test_case_spaces_and_unicode_form_never_change_the_part(text: str) -> None:
    import unicodedata

    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFC", text))
    assert words.place(text) == words.place(f"  {decomposed} ")


def test_parts_have_the_promised_shares() -> None:
    parts = [words.place(f"question number {i}") for i in range(20_000)]
    shares = {name: parts.count(name) / len(parts) for name in ("train", "val", "test")}
    assert abs(shares["test"] - words.TEST_SHARE) < 0.01
    assert abs(shares["val"] - words.VAL_SHARE) < 0.01


def test_vocabulary_is_ordered_by_count_and_cut_at_the_minimum() -> None:
    texts = [["b", "a"], ["a", "c"], ["b", "a"]]
    assert words.vocabulary(texts, 1) == ("<pad>", "<unk>", "a", "b", "c")
    assert words.vocabulary(texts, 2) == ("<pad>", "<unk>", "a", "b")


def test_an_unknown_word_and_an_empty_text_are_the_unknown_token() -> None:
    ids = {"<pad>": 0, "<unk>": 1, "a": 2}
    assert words.encode(["a", "z", "a"], ids, 2) == (2, 1)
    assert words.encode([], ids, 5) == (1,)


def test_repeated_texts_are_left_out_and_counted() -> None:
    rows, notices = words.one_each([("A b", "x"), ("a  B", "x"), ("c", "y"), ("C", "x")])
    assert rows == [("A b", "x"), ("c", "y")]
    assert notices == ["2 repeated texts left out, 1 of them with another label"]


def test_a_link_in_capitals_is_a_link() -> None:
    assert words.tokens("See HTTPS://EXAMPLE.ORG/a now", strip_links=True) == ["see", "now"]
