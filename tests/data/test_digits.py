"""Real digits as sequences of pixels."""

from typing import Any

from stackcli.data.digits import Digits


def test_there_are_1797_digits_of_64_pixels() -> None:
    loaded = Digits().load()
    parts = (loaded.train, loaded.val, loaded.test)
    assert sum(map(len, parts)) == 1797
    assert {len(t) for part in parts for t in part.tokens} == {64}
    assert {p for part in parts for t in part.tokens for p in t} == set(range(1, 18))
    assert loaded.classes == tuple("0123456789") and len(loaded.vocab) == 18


def test_tokens_are_the_pixels_of_the_picture_plus_one() -> None:
    from sklearn.datasets import load_digits

    pictures = {
        tuple(int(p) + 1 for p in image.ravel()): int(label) for image, label in zip(*_of(load_digits()), strict=True)
    }
    loaded = Digits().load()
    assert all(pictures[tuple(t)] == label for t, label in zip(loaded.test.tokens, loaded.test.labels, strict=True))


def _of(digits: Any) -> tuple[Any, Any]:
    return digits.images, digits.target


def test_max_len_cuts_the_picture() -> None:
    assert {len(t) for t in Digits(max_len=10).load().train.tokens} == {10}
