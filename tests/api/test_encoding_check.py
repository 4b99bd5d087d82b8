"""`sa.check`: encodings by name and by class."""

from pathlib import Path

import pytest
from torch import Tensor

import stackcli as sa
from stackcli.common import registry
from stackcli.pe.base import Context, PositionEncoding
from tests.helpers import stackattn


class Distance(PositionEncoding):
    """A bias by distance, as a user would write it: a number of Python times whole positions."""

    relative = True

    def __init__(self, *, dim: int, heads: int, max_len: int, strength: float = 0.1) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.strength = strength

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        return -self.strength * (ctx.pos[None, :] - ctx.pos[:, None]).abs()


class Leaky(PositionEncoding):
    """Adds to each token the mean of all, also in a causal model."""

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        return x + x.mean(1, keepdim=True)


def test_a_class_of_a_user_is_checked_and_not_kept() -> None:
    found = sa.check(Distance, dim=16, heads=2)
    assert found.passed and found.failed == [] and found.verdict.startswith("pe=Distance: 5 checks passed")
    table = found.table().set_index("property")
    assert table.loc["shift", "found"] == "ignored: relative" and table.loc["shift", "mark"] == "passed"
    assert table.loc["settings", "evidence"].startswith("1 keys")
    assert "Distance" not in registry.part_names("pe")


def test_what_is_wrong_with_a_class_is_found() -> None:
    found = sa.check(Leaky, dim=16, heads=2)
    assert not found.passed and "causality" in found.failed
    assert "causality" in repr(found) and "BROKEN" in found._repr_html_()


def test_a_class_that_is_defined_again_has_its_new_keys() -> None:
    class Distance(PositionEncoding):
        def __init__(self, *, dim: int, heads: int, max_len: int, other: float = 1.0) -> None:
            super().__init__(dim=dim, heads=heads, max_len=max_len)

    sa.check(Distance, "pe.other=2.0", dim=16, heads=2)
    with pytest.raises(ValueError, match=r"unknown key 'pe\.strength'"):
        sa.check(Distance, "pe.strength=0.2")


def test_a_class_with_the_name_of_a_part_is_not_that_part() -> None:
    class Rope(PositionEncoding):
        pass

    found = sa.check(Rope, dim=16, heads=2)
    assert found.name == "pe=my_Rope" and found.table().set_index("property").loc["order", "found"] != "seen"


def test_an_error_of_the_class_is_raised_as_it_is() -> None:
    class Faulty(PositionEncoding):
        def embed(self, x: Tensor, ctx: Context) -> Tensor:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        sa.check(Faulty, dim=16, heads=2)


def test_a_name_is_checked_as_by_the_command(tmp_path: Path) -> None:
    found = sa.check("rope", "data.max_len=32", dim=16, heads=2)
    done = stackattn("check", "pe=rope", "data.max_len=32", "dim=16", "heads=2", "--figures", "none", cwd=tmp_path)
    assert done.stdout.strip().splitlines()[-1] == found.verdict and found.passed


@pytest.mark.parametrize(
    ("encoding", "settings", "said"),
    [
        ("rop", {}, "pe=rop: no such choice; did you mean rope"),
        (int, {}, "no encoding; give a name such as 'rope', or a subclass"),
        (Distance(dim=8, heads=2, max_len=4), {}, "no encoding; give a name"),
        ("rope", {"dim": [8, 16]}, "2 encodings or sizes; check one at a time"),
        ("rope", {"dim": 9, "heads": 2}, "dim=9"),
    ],
)
def test_what_is_no_encoding_is_refused(encoding: object, settings: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sa.check(encoding, **settings)  # type: ignore[arg-type]
