"""Tables of positions: how many dimensions are flat, the effective rank, and how close two positions come."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from stackcli.diagnostics import position_tables
from stackcli.diagnostics.checked_property import Property
from tests.factory import config, part

SMALL: dict[str, Any] = {"dim": 16, "heads": 2}


def properties(name: str, max_len: int = 64, **keys: Any) -> dict[str, Property]:
    c = config(pe=part(name, **keys) if keys else name, **SMALL)
    return {row.name: row for row in position_tables.check_table(c, max_len)}


def test_flat_dimensions_are_counted_and_a_fitted_base_removes_them() -> None:
    before, after = (properties("sinusoidal", base=base, scale=0.05) for base in (10000.0, "auto"))
    assert before["flat dimensions"].mark == "warning" and after["flat dimensions"].found == "0 of 16"
    assert before["remedy"].found.startswith("pe.base=auto: 0 flat") and "remedy" not in after
    assert float(after["effective rank"].found) > float(before["effective rank"].found)


def test_a_constant_dimension_is_flat_and_two_equal_positions_have_distance_0() -> None:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(40, 8, generator=draw)
    rows[:, 3] = 0.7
    rows[7] = rows[20]
    affected = position_tables.health(rows)
    assert affected.flat == 1 and affected.closest == 0.0 and 5 < affected.rank <= 7
    line = position_tables.health(torch.arange(40.0)[:, None] * torch.ones(8))
    assert abs(line.rank - 1) < 1e-6


def test_the_corners_of_an_octahedron_have_rank_3() -> None:
    rows = torch.cat((torch.eye(3), -torch.eye(3)))
    found = position_tables.health(rows)
    assert (found.flat, found.dims) == (0, 3)
    assert found.rank == pytest.approx(3)  # three equal singular values
    mean = (12 * math.sqrt(2) + 3 * 2) / 15  # 12 edges and 3 pairs of opposite corners
    assert found.closest == pytest.approx(math.sqrt(2) / mean)


def test_a_single_position_is_close_to_no_other() -> None:
    assert position_tables.health(torch.randn(1, 4)).closest == 1.0


def test_the_closest_positions_of_a_long_table_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(150, 3)))
    apart = [float((a - b).norm()) for i, a in enumerate(rows) for b in rows[:i]]
    for at_once in (1000, 64, 7):
        monkeypatch.setattr(position_tables, "AT_ONCE", at_once)
        assert position_tables.health(rows).closest == pytest.approx(min(apart) / np.mean(apart), rel=1e-9)


def test_the_table_of_an_additive_encoding_has_a_row_for_each_position() -> None:
    found = position_tables.position_table(config(pe="sinusoidal", **SMALL), 5)
    assert found is not None
    expected = [[0.05 * f(p / 10000 ** (2 * i / 16)) for i in range(8) for f in (math.sin, math.cos)] for p in range(5)]
    assert found.numpy() == pytest.approx(np.array(expected), abs=1e-7)


@pytest.mark.parametrize("name", ["none", "alibi", "relative", "xl"])
def test_an_encoding_that_adds_no_vectors_has_no_table_and_no_properties(name: str) -> None:
    assert position_tables.position_table(config(pe=name, **SMALL), 9) is None
    assert properties(name, 9) == {}


def test_a_table_of_offsets_is_not_checked_as_a_table_of_positions() -> None:
    assert properties("relative", 9, clip=0, layers="shared") == {}


def test_the_remedy_changes_only_the_base_and_exists_only_for_a_fixed_base() -> None:
    given = config(pe=part("sinusoidal", base=10000.0, scale=0.3), **SMALL)
    remedied = position_tables.with_remedy(given)
    assert remedied is not None and remedied.pe.options == {"base": "auto", "scale": 0.3}
    assert position_tables.with_remedy(remedied) is None
    assert position_tables.with_remedy(config(pe="learned", **SMALL)) is None
