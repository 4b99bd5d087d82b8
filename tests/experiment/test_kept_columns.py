"""Columns as bytes, and back."""

import math
from typing import Any

import numpy as np
import pytest

from stackcli.experiment.kept_columns import pack_column, unpack_column


def objects(*values: Any) -> Any:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


@pytest.mark.parametrize(
    "values",
    [
        np.array([], dtype=np.int64),
        np.array([1, -5, 2**62], dtype=np.int64),
        np.arange(50_000, dtype=np.int64) // 1000,
        np.array([], dtype=float),
        np.array([math.nan, 0.1, -0.0, math.inf, -math.inf, 5e-324, math.nan]),
        np.random.default_rng(0).normal(size=30_000),
        np.full(9, math.nan),
        objects("a", "b", "a", None, "\u00e4", True, 1, 1.0, math.inf),
        objects([1.0, 0.25], [], [1.0, 0.25]),
        objects(),
    ],
)
def test_a_column_comes_back_with_its_type_and_every_bit(values: Any) -> None:
    kind, parts = pack_column(values)
    found = unpack_column(kind, parts, len(values))
    assert found.dtype == values.dtype and found.flags.writeable
    if values.dtype == object:
        assert repr(found.tolist()) == repr(values.tolist())
    else:
        assert found.tobytes() == values.tobytes()


def test_equal_columns_of_few_values_take_little_room() -> None:
    _, parts = pack_column(objects(*["text"] * 10_000))
    assert sum(map(len, parts)) < 1000
    _, parts = pack_column(np.full(10_000, math.nan))
    assert sum(map(len, parts)) < 1000
