"""Look-alike letters are folded and misspelt words mended, and what is right is left alone."""

import random
from pathlib import Path
from typing import Any

import pytest

from stackcli.data._cleaning import (
    CYRILLIC,
    GREEK,
    Clean,
    Cleaner,
    count_scripts,
    deletions,
    fold_characters,
    index_words,
    is_one_edit,
    make_cleaner,
    readings,
)
from stackcli.data._tokens import split_tokens
from stackcli.data.csv import Csv

ENGLISH = ("the", "a", "what", "biology", "cell", "photosynthesis", "paint", "point", "u.s.", "2024", "α", "physics's")
RUSSIAN = ("и", "а", "сор", "рот", "москва", "санкт", "оса", "река", "биология")


def clean(token: str, vocab: tuple[str, ...] = ENGLISH, how: Clean = "unicode") -> str:
    (found,) = Cleaner(vocab, how).clean([token])
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("bi\u043elog\u0443", "biology"),  # Cyrillic o, u
        ("\u0441ell", "cell"),
        ("\u0440h\u043et\u043esynthesis", "photosynthesis"),
        ("th\u0435", "the"),
        ("wh\u03b1t", "what"),  # Greek alpha
        ("\u0430", "a"),  # a word that is only a look-alike
        ("\u0440\u0430\u0456nt", "paint"),
        ("zeb\u0433\u0430", "zebra"),  # mixed, so folded although the word is unknown
        ("c\u0251t-c\u0435ll", "c\u0251t-cell"),  # only the part that mixes scripts
        ("ce\u200dll", "cell"),  # an invisible joiner, which no Latin word needs
    ],
)
def test_words_that_mix_scripts_are_folded_to_latin(given: str, expected: str) -> None:
    assert clean(given) == expected


@pytest.mark.parametrize(
    "word", [*RUSSIAN, "мир", "ель", "санкт-река", "Ωm", "何", "β", "α-helix", "x1", "3.5", "naïve"]
)
def test_words_of_one_script_stay_where_they_are_known_or_no_word_looks_like_them(word: str) -> None:
    assert clean(word, RUSSIAN + ENGLISH) == word


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("m\u043e\u0441\u043a\u0432\u0430", "москва"),  # a Latin letter in a Russian word
        ("\u0441aнкт", "санкт"),
        ("cop", "сор"),  # Latin altogether, and unknown, while the Russian word is known
        ("o\u0441\u0430", "оса"),
        ("pека", "река"),
        ("pыбa", "рыба"),  # unknown, but only Cyrillic has all its letters
        ("c\u0430\u0434", "\u0441\u0430\u0434"),
    ],
)
def test_a_russian_word_with_latin_letters_becomes_russian(given: str, expected: str) -> None:
    assert clean(given, RUSSIAN) == expected


def test_a_word_that_both_scripts_have_is_read_as_the_one_that_is_known() -> None:
    assert clean("c\u043e\u0440", ("cop",)) == "cop" and clean("c\u043e\u0440", ("сор",)) == "сор"
    assert clean("сор", ("cop", "сор")) == "сор" and clean("cop", ("cop", "сор")) == "cop"


def test_accents_stay_on_their_letters() -> None:
    assert clean("na\u0457v\u0435", ("naïve",)) == "naïve"  # Ukrainian yi is an i with two dots


@pytest.mark.parametrize("seed", range(5))
def test_any_choice_of_look_alikes_in_a_known_word_is_undone(seed: int) -> None:
    """Every letter of English words is replaced, or not, by one that looks like it."""
    draw = random.Random(seed)
    looks: dict[str, list[str]] = {}
    for table in (CYRILLIC, GREEK):
        for letter, latin in table.items():
            for one in latin:
                looks.setdefault(one, []).append(letter)
    vocab = ("biology", "question", "photosynthesis", "hydrogen", "the", "energy", "function", "why")
    for word in vocab:
        changed = "".join(draw.choice([c, *looks.get(c, [])]) for c in word)
        first = changed[:1] + word[1:]  # at least a part of the word is Latin
        assert clean(first, vocab) == word, ascii(first)
        cyrillic = "".join(draw.choice([c, *(x for x in looks.get(c, []) if x in CYRILLIC)]) for c in word)
        assert clean(cyrillic, vocab) == word, ascii(cyrillic)


def test_full_width_and_mathematical_letters_and_digits_become_plain() -> None:
    assert fold_characters("Ｗｈａｔ ｉｓ ２ + 𝟑 of 𝐱, 𝒚, ℎ, ⓐ, ⅳ?") == "What is 2 + 3 of x, y, h, a, ⅳ?"
    assert fold_characters("Μaths, ΑΒΓ, Ωm, 何ですか。") == "Maths, ΑΒΓ, Ωm, 何ですか。"
    assert split_tokens(fold_characters("ｈｔｔｐ://x.io")) == ["http://x.io"]


# ---- spelling


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("biollogy", "biology"),
        ("bilogy", "biology"),
        ("biologu", "biology"),
        ("boilogy", "biology"),
        ("photosynthesiss", "photosynthesis"),
        ("pant", "paint"),
        ("poant", "point"),
        ("cels", "cell"),
        ("biolgi", "biolgi"),  # two edits
        ("teh", "teh"),  # three letters
        ("2023", "2023"),
        ("2o24", "2o24"),
        ("http://biolog.y", "http://biolog.y"),
        ("u.s", "u.s"),
        ("<unk>", "<unk>"),
        ("biology", "biology"),
        ("何何何何", "何何何何"),
    ],
)
def test_a_misspelt_word_becomes_the_known_word_one_edit_away(given: str, expected: str) -> None:
    assert clean(given, ENGLISH, "spelling") == expected


def test_of_several_words_the_most_frequent_is_chosen() -> None:
    assert clean("poynt", ("<pad>", "<unk>", "point", "poyst"), "spelling") == "point"
    assert clean("poynt", ("<pad>", "<unk>", "poyst", "point"), "spelling") == "poyst"


def test_any_alphabet_is_mended() -> None:
    assert clean("биолгия", RUSSIAN, "spelling") == "биология" and clean("мокска", RUSSIAN, "spelling") == "мокска"
    assert clean("москав", RUSSIAN, "spelling") == "москва"


def test_both_are_done_one_after_the_other() -> None:
    assert clean("bi\u043ellogy", ENGLISH, "all") == "biology" and clean("bi\u043ellogy", ENGLISH) == "biollogy"
    assert clean("bi\u043ellogy", ENGLISH, "spelling") == "bi\u043ellogy"


def distance(a: str, b: str) -> int:
    """Optimal string alignment by the whole table."""
    d = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return d[len(a), len(b)]


def test_the_index_finds_exactly_the_words_at_distance_1() -> None:
    draw = random.Random(3)
    vocab = sorted({"".join(draw.choices("abc", k=draw.randint(3, 6))) for _ in range(150)})
    index = index_words(vocab)
    for _ in range(300):
        token = "".join(draw.choices("abc", k=draw.randint(4, 6)))
        near = {i for form in (token, *deletions(token)) for i in index.get(form, ())}
        assert {vocab[i] for i in near if is_one_edit(token, vocab[i])} == {w for w in vocab if distance(token, w) == 1}


def test_scripts_are_counted_and_readings_are_of_one_script() -> None:
    assert count_scripts("wh\u0430t") == {"Latin": 3, "Cyrillic": 1} and count_scripts("何ですか") == {}
    assert list(readings("\u0430b", "Latin")) == ["ab"] and list(readings("жb", "Latin")) == []
    assert list(readings("\u03b7", "Latin")) == ["n", "h"]


def test_a_cleaner_is_built_once_for_the_same_words() -> None:
    assert make_cleaner(ENGLISH, "all") is make_cleaner(tuple(ENGLISH), "all")


# ---- of a data set


def table(path: Path) -> Path:
    """Rows of two classes, of which the last test texts are misspelt or have look-alikes."""
    rows = [f"the {'red' if i % 2 else 'green'} apple number{i} сор fruit,{i % 2}" for i in range(120)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("how", ["unicode", "spelling", "all"])
def test_the_vocabulary_is_that_of_the_training_part_and_is_cleaned_but_not_mended(how: Any, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv")
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"the gr\u0435en applle {i} fruit,{i % 2}\n" for i in range(40))
    plain, cleaned = (Csv(path=str(path), clean=c).load() for c in ("none", how))
    assert {"gr\u0435en", "applle", "green", "apple", "сор"} <= set(plain.vocab)
    assert {"applle", "green", "apple", "сор"} <= set(cleaned.vocab)
    assert ("gr\u0435en" in cleaned.vocab) == (how == "spelling")
    assert any(notice.startswith(f"data.clean={how}: ") for notice in cleaned.notices)
    assert plain.train.texts == cleaned.train.texts and plain.test.labels == cleaned.test.labels


def test_test_texts_are_cleaned_by_the_words_of_the_training_part(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv")
    tested = tmp_path / "t.csv"
    tested.write_text(
        "text,label\nth\u0435 gren aple \u0441\u043e\u0440 fruiit 777 zzz,0\nthe red apple ｆｒｕｉｔ,1\n", "utf-8"
    )
    data = Csv(path=str(path), test_path=str(tested), clean="all")
    loaded = data.load()
    read = [[loaded.vocab[i] for i in row] for row in loaded.test.tokens]
    assert read[0] == ["the", "green", "apple", "сор", "fruit", "<unk>", "<unk>"] and read[1] == [
        "the",
        "red",
        "apple",
        "fruit",
    ]
    assert data.read_tokens("th\u0435 aple", loaded.vocab) == ["the", "apple"]
    changed = "data.clean=all: 5 of 11 test tokens changed"
    assert changed in loaded.notices
