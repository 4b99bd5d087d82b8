"""Values of Python as words: read again, they are the same values."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stackcli.config.overrides import parse_override
from stackcli.config.written_settings import write_overrides, write_words
from stackcli.config.yaml_files import UsageError

TEXTS = ["rope", "a,b", "it's", '"', "1e-3", "1", "true", "null", "None", "", " ", "a b", "x\\", "x\\'y", "[1]", "é"]


@pytest.mark.parametrize("key", ["pe", "schedule", "data.text", "data.path"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_again_as_it_was(key: str, text: str) -> None:
    (word,) = write_words({key: text})
    assert parse_override(word).values == (text,)


@pytest.mark.parametrize("key", ["schedule", "data.text"])
def test_a_list_of_texts_gives_each_as_it_was(key: str) -> None:
    texts = ["plain", "a,b", "it's", "two words", "7"]
    (word,) = write_words({key: texts})
    assert parse_override(word).values == tuple(texts)


@pytest.mark.parametrize("value", [0.1, 1e-05, 1e22, 0.1 + 0.2, -0.0, 3, -3, 10**15, math.inf, True, False, None])
def test_a_number_or_boolean_is_read_again_as_it_was_and_keeps_its_type(value: Any) -> None:
    (found,) = parse_override(write_words({"lr": value})[0]).values
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ([1, 2, 4], "depth=1,2,4"),
        ((1, 2), "depth=1,2"),
        (range(1, 4), "depth=1,2,3"),
        (np.array([1, 2]), "depth=1,2"),
        (np.int64(3), "depth=3"),
        ([np.float64(0.1), np.float32(0.5)], "depth=0.1,0.5"),
        ([4], "depth=4"),
    ],
)
def test_a_sequence_is_an_axis(value: Any, word: str) -> None:
    assert write_words({"depth": value}) == (word,)


@pytest.mark.parametrize(
    ("value", "values"),
    [
        (["rope", "none"], ("rope,none",)),
        ([["rope", "none"], ["none"]], ("rope,none", "none")),
        ("rope,none", ("rope,none",)),
    ],
)
def test_a_list_of_names_for_the_layers_is_one_value(value: Any, values: tuple[str, ...]) -> None:
    assert parse_override(write_words({"pe.by_layer": value})[0]).values == values


def test_a_path_is_a_text() -> None:
    assert write_words({"data.path": Path("a b.csv")}) == (f"data.path={Path('a b.csv')}",)


@pytest.mark.parametrize("value", [[], {"a": 1}, [[1, 2]], object])
def test_what_is_no_value_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=r"^depth="):
        write_words({"depth": value})


def test_overrides_are_texts_and_dictionaries() -> None:
    assert write_overrides(["depth=1,2", {"pe.clip": [4, 8], "lr": 0.1}]) == ("depth=1,2", "pe.clip=4,8", "lr=0.1")
    with pytest.raises(UsageError, match="3: settings are texts such as 'depth=1,2', or keywords such as"):
        write_overrides([3])
