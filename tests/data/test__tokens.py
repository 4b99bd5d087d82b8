"""Tokens of texts, and the part that a text belongs to."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackcli.data import _tokens as words


def test_words_numbers_and_other_characters_are_tokens_in_order() -> None:
    said = words.split_tokens("Don't heat 3.5 g (at 1,000 Pa) of x_1!")
    assert said == ["don't", "heat", "3.5", "g", "(", "at", "1,000", "pa", ")", "of", "x", "_", "1", "!"]


def test_a_link_is_one_token_and_can_be_stripped() -> None:
    text = "See https://example.org/a?b=1 now"
    assert words.split_tokens(text) == ["see", "https://example.org/a?b=1", "now"]
    assert words.split_tokens(text, strip_links=True) == ["see", "now"]


def test_punctuation_can_be_stripped_and_numbers_stay() -> None:
    assert words.split_tokens("Is 5 > 3?", strip_punctuation=True) == ["is", "5", "3"]


@given(st.text(max_size=40))
def test_case_spaces_and_unicode_form_never_change_the_part(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFC", text))
    assert words.choose_part(text) == words.choose_part(f"  {decomposed} ")


def test_parts_have_the_promised_shares() -> None:
    parts = [words.choose_part(f"question number {i}") for i in range(20_000)]
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
    assert words.split_tokens("See HTTPS://EXAMPLE.ORG/a now", strip_links=True) == ["see", "now"]


WHOLE = {
    "दिन": ["दिन"],  # Hindi: consonant, vowel mark, consonant
    "\u0130zmir": ["i\u0307zmir"],  # case folding adds a mark
    "می\u200cروم": ["می\u200cروم"],  # Persian, with a joiner
    "র\u200d্য": ["র\u200d্য"],  # Bengali: a joiner before a mark
    "e\u0301te\u0301": ["\u00e9t\u00e9"],
    "Stra\u00dfe": ["strasse"],
    "co\u00adop": ["coop"],  # a soft hyphen does not show
    "\ufeffword": ["word"],
    "one\u200btwo": ["one", "two"],  # a space of no width is a space
    "x² v\u0304": ["x²", "v\u0304"],
    "\u0663\u066b\u0665 ١٢": ["\u0663\u066b\u0665", "١٢"],
    "我喜欢": ["我", "喜", "欢"],
    "ラーメンが": ["ラ", "ー", "メ", "ン", "が"],
    "ดีน้ำ": ["ดี", "น้ำ"],
    "ខ្មែរ": ["ខ្មែ", "រ"],  # the second consonant stands below the first
    "မြန်မာ": ["မြ", "န်", "မာ"],
    "ລາວ": ["ລ", "າ", "ວ"],
    "GPU显卡3块": ["gpu", "显", "卡", "3", "块"],
}


@pytest.mark.parametrize("text", WHOLE)
def test_words_and_characters_of_every_script_stay_whole(text: str) -> None:
    assert words.split_tokens(text) == WHOLE[text]
    assert words.split_tokens(text, strip_punctuation=True) == WHOLE[text]


EMOJI = [
    "👍🏽",
    "👨\u200d👩\u200d👧",
    "🇩🇪",
    "🇫🇷",
    "1\ufe0f\u20e3",
    "#\ufe0f\u20e3",
    "❤\ufe0f",
    "🏴\U000e0067\U000e0062\U000e007f",
]


@pytest.mark.parametrize("emoji", EMOJI)
def test_an_emoji_sequence_is_one_token(emoji: str) -> None:
    assert words.split_tokens(f"so{emoji}{emoji} x") == ["so", emoji, emoji, "x"]


def letters_and_marks(text: str) -> list[str]:
    return [sign for sign in text if unicodedata.category(sign)[0] in "LMN"]


MIXED = st.text(
    st.sampled_from("aé'-. \u200c\u200d\u0301\u0307\u00ad\u200b\ufe0f5٣דिनก็สำมြ\u1039်ខ្我カー👍🏽🇩#\u0130ß/"),
    max_size=20,
)


@given(st.one_of(st.text(max_size=40), MIXED))
def test_the_tokens_hold_every_letter_mark_and_digit_of_the_text(text: str) -> None:
    found = words.split_tokens(text)
    assert letters_and_marks("".join(found)) == letters_and_marks(words.normalise(text))
    assert all(found) and not any(sign.isspace() for sign in "".join(found))


@given(st.one_of(st.text(max_size=40), MIXED))
def test_the_tokens_do_not_depend_on_the_unicode_form(text: str) -> None:
    assert words.split_tokens(unicodedata.normalize("NFC", text)) == words.split_tokens(
        unicodedata.normalize("NFD", text)
    )
    assert words.normalise(words.normalise(text)) == words.normalise(text)


@pytest.mark.parametrize("end", [*",.;:)]", "<br>", '"', ">", "。", "\u00bb", "看", "é"])
def test_a_link_ends_where_the_sentence_continues(end: str) -> None:
    text = f"see https://x.example/a?b=1{end} now"
    assert words.split_tokens(text)[:2] == ["see", "https://x.example/a?b=1"]
    assert words.split_tokens(text, strip_links=True) == ["see", *words.split_tokens(end), "now"]


def test_a_link_keeps_its_own_brackets_and_may_begin_inside_a_run_of_letters() -> None:
    wiki = "https://en.example/a_(b)"
    assert words.split_tokens(f"(see {wiki}).") == ["(", "see", wiki, ")", "."]
    assert words.split_tokens("смотриhttps://x.org看www.x.org。") == [
        "смотри",
        "https://x.org",
        "看",
        "www.x.org",
        "。",
    ]
    assert words.split_tokens("смотриhttps://x.org看", strip_links=True) == ["смотри", "看"]
    assert words.split_tokens("awww.so http://.") == ["awww", ".", "so", "http", ":", "/", "/", "."]


@given(st.lists(st.sampled_from(["https://", "www.", "a", "(", ")", ".", "é", " ", "<", "-", "我"]), max_size=12))
def test_stripped_links_are_the_tokens_that_are_links(pieces: list[str]) -> None:
    text = "".join(pieces)
    links = [t for t in words.split_tokens(text) if words.LINK.fullmatch(t)]
    assert links == words.LINK.findall(words.normalise(text))


def test_reserved_names_in_a_text_are_unknown_words_and_never_padding() -> None:
    vocab = words.vocabulary([["<unk>", "<pad>", "a"]], 1)
    assert vocab == ("<pad>", "<unk>", "a")
    ids = {token: i for i, token in enumerate(vocab)}
    assert words.encode(["<pad>", "a", "<unk>"], ids, 5) == (words.UNKNOWN, 2, words.UNKNOWN)


def test_many_unknown_tokens_give_a_notice() -> None:
    assert words.unknown_notices([(2, 2, 1), (2, 1, 2, 1, 2, 2, 2)], 1) == []  # 3 of 10
    [notice] = words.unknown_notices([(2, 2, 1), (2, 1, 1, 1, 2, 2, 2)], 2)
    assert notice.startswith("40 % of the test part's tokens are unknown") and "data.min_count below 2" in notice
    assert words.unknown_notices([], 1) == []


def test_classes_that_are_numbers_are_sorted_by_value() -> None:
    assert words.sort_classes(str(i) for i in range(12, 0, -1)) == tuple(str(i) for i in range(1, 13))
    assert words.sort_classes(["10", "-2", "1.5"]) == ("-2", "1.5", "10")
    assert words.sort_classes(["10", "9", "b"]) == ("10", "9", "b")
