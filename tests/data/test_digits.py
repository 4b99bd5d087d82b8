"""Real digits as sequences of pixels."""

from typing import Any

import pytest

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
    whole, cut = Digits().load(), Digits(max_len=10).load()
    assert cut.train.tokens == tuple(row[:10] for row in whole.train.tokens)
    assert [
        Digits(upsample=n, max_len=m).load().max_len for n, m in ((1, 0), (1, 999), (2, 0), (2, 100), (4, 9999))
    ] == [
        64,
        64,
        256,
        100,
        1024,
    ]
    assert {len(t) for t in Digits(upsample=2, max_len=100).load().train.tokens} == {100}


@pytest.mark.parametrize("upsample", [1, 2, 4])
def test_upsampling_repeats_each_pixel_in_its_row_and_each_row(upsample: int) -> None:
    whole, large = Digits(size=50).load(), Digits(size=50, upsample=upsample).load()
    for part in ("train", "val", "test"):
        one, other = getattr(whole, part), getattr(large, part)
        assert one.labels == other.labels
        for pixels, tokens in zip(one.tokens, other.tokens, strict=True):
            side = 8 * upsample
            assert len(tokens) == side * side
            for y in range(side):
                for x in range(side):
                    assert tokens[y * side + x] == pixels[(y // upsample) * 8 + x // upsample]
    assert large.vocab == whole.vocab and large.max_len == 64 * upsample**2


def test_upsampled_pictures_have_the_same_parts_and_wrong_labels() -> None:
    one, other = Digits(noise=0.3), Digits(noise=0.3, upsample=2)
    assert one.fingerprint() == other.fingerprint()
    assert one.load().train.labels == other.load().train.labels != Digits().load().train.labels
