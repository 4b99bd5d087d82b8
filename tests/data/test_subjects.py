"""The corpus: its size, balance and form, and that it repeats no other questions."""

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from stackcli.data import subjects
from stackcli.data._tokens import choose_part

FILE = Path(subjects.__file__).with_name("subjects.csv")
REAL = Path(__file__).parents[3] / "shared" / "data" / "subject_questions.csv"
SUBJECTS = ("Biology", "Chemistry", "Maths", "Physics")
LABEL_WORD = re.compile(r"\b(biolog\w*|chemist\w*|maths?|mathematic\w*|physics)\b", re.IGNORECASE)


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def grams(text: str, n: int) -> list[tuple[str, ...]]:
    found = words(text)
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


def test_every_subject_has_600_questions() -> None:
    assert Counter(row["label"] for row in rows()) == dict.fromkeys(SUBJECTS, 600)


def test_questions_have_6_to_80_words_and_none_is_repeated() -> None:
    texts = [r["text"] for r in rows()]
    assert [t for t in texts if not 6 <= len(t.split()) <= 80] == []
    assert len({" ".join(words(t)) for t in texts}) == len(texts)


def test_there_are_forty_topics_and_none_has_more_than_a_twentieth_of_the_questions() -> None:
    topics = Counter((row["label"], row["topic"]) for row in rows())
    assert len(topics) >= 40
    assert max(topics.values()) <= 0.05 * len(rows())
    assert {row["level"] for row in rows()} == {"school", "pre-university", "university"}


def test_texts_are_clean() -> None:
    for row in rows():
        text = row["text"]
        assert unicodedata.is_normalized("NFC", text)
        assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in text), text
        assert text == text.strip() and text[0] not in "=+-@", text
        assert not LABEL_WORD.search(text), text


def test_no_two_questions_share_more_than_half_of_their_trigrams() -> None:
    seen: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sets = [set(grams(row["text"], 3)) for row in rows()]
    for i, trigrams in enumerate(sets):
        shared = Counter(j for t in trigrams for j in seen[t])
        assert [j for j, n in shared.items() if 2 * n > min(len(trigrams), len(sets[j]))] == [], rows()[i]["text"]
        for t in trigrams:
            seen[t].append(i)


def test_most_trigrams_are_distinct() -> None:
    every = [t for row in rows() for t in grams(row["text"], 3)]
    assert len(set(every)) >= 0.82 * len(every)


BESIDE = pytest.mark.skipif(not REAL.is_file(), reason="the real questions are not beside the project")


@BESIDE
def test_no_run_of_eight_words_is_shared_with_the_real_questions() -> None:
    with REAL.open(encoding="utf-8", newline="") as file:
        real = {g for row in csv.DictReader(file) for g in grams(row["question"], 8)}
    assert [r["text"] for r in rows() if real & set(grams(r["text"], 8))] == []


def fitted(c: float, known: Sequence[tuple[str, str]]) -> Any:
    """TF-IDF and logistic regression, like the baseline of the tool."""
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=c, max_iter=1000))
    return model.fit([text for text, _ in known], [label for _, label in known])


def score(model: Any, asked: Sequence[tuple[str, str]]) -> float:
    return float(model.score([text for text, _ in asked], [label for _, label in asked]))


def strength(parts: dict[str, list[tuple[str, str]]]) -> float:
    """The value of C with the best accuracy on the validation part."""
    return max((1.0, 10.0, 100.0), key=lambda c: score(fitted(c, parts["train"]), parts["val"]))


def parts() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows():
        found[choose_part(row["text"])].append((row["text"], row["label"]))
    return found


def test_a_bag_of_words_answers_most_questions_but_not_all() -> None:
    own = parts()
    assert 0.80 <= score(fitted(strength(own), own["train"]), own["test"]) <= 0.93


@BESIDE
def test_a_model_trained_on_the_corpus_answers_the_real_questions() -> None:
    with REAL.open(encoding="utf-8", newline="") as file:
        real = [(row["question"], row["subject"]) for row in csv.DictReader(file)]
    own = parts()
    assert score(fitted(strength(own), [*own["train"], *own["val"], *own["test"]]), real) >= 0.75


def test_subjects_loads_into_three_parts() -> None:
    loaded = subjects.Subjects().load()
    assert loaded.classes == SUBJECTS and loaded.text
    assert len(loaded.train) + len(loaded.val) + len(loaded.test) == len(rows())
