"""A bag of words beats chance where words tell, and is left out where there are none."""

from stackcli import baselines
from stackcli.data.base import Examples, Loaded


def loaded(texts: tuple[str, str], n: int = 60) -> Loaded:
    """Two classes, told apart by their text."""
    part = Examples(((1,),) * n, tuple(i % 2 for i in range(n)), tuple(texts[i % 2] for i in range(n)))
    return Loaded(part, part, part, ("a",), ("one", "two"), 4, True)


def test_words_of_one_letter_count() -> None:
    assert baselines.bag_of_words(loaded(("a b", "a c"))) == 1.0


def test_texts_without_words_have_no_bag() -> None:
    assert baselines.bag_of_words(loaded(("!?", "?!"))) is None


def test_the_commonest_class_is_that_of_the_training_part() -> None:
    assert baselines.majority(loaded(("a", "b"))) == 0.5
