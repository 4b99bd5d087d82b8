"""The words of a search -> what may be tried."""

import pytest

from stackcli.config.search_space import CORNERS, parse_space
from stackcli.config.yaml_files import UsageError

SMALL = ("dim=8", "heads=2", "steps=4")


def test_settings_with_several_values_are_searched_and_the_others_fixed() -> None:
    space = parse_space(["depth=range(1,9)", "pe=learned,none", "dim=32", "seeds=2", "seed=5"])
    assert list(space.domains) == ["depth", "pe"] and space.fixed == {"dim": 32} and space.seeds == (5, 6)
    c = space.config({"depth": 3, "pe": "none"}, seed=9)
    assert (c.depth, c.pe.name, c.dim, c.seed) == (3, "none", 32, 9)


def test_the_corners_are_every_combination_of_the_ends() -> None:
    space = parse_space([*SMALL, "depth=range(1,9)", "pe=learned,none,rope"])
    assert {(c.depth, c.pe.name) for c in space.corners(0)} == {
        (d, p) for d in (1, 8) for p in ("learned", "none", "rope")
    }


def test_where_corners_are_very_many_each_end_is_tried_with_the_first_of_the_others() -> None:
    wide = ["depth=range(1,9)", "lr=interval(1e-4,1e-2)", "dropout=interval(0.0,0.5)", "ff=range(1,5)"]
    wide += ["batch=8,16,32,64,128", "warmup=0.0,0.1,0.2,0.3,0.4,0.5", "clip=0.1,0.5,1.0,2.0,5.0"]
    space = parse_space([*SMALL, *wide])
    assert CORNERS < 2**4 * 5 * 6 * 5
    assert len(space.corners(0)) == 1 + 4 * 1 + 4 + 5 + 4  # the first of all, and every other end once


@pytest.mark.parametrize(
    "words,said",
    [
        ([], "nothing to search"),
        (["depth=4"], "nothing to search"),
        (["seed=1,2"], "a seed of its own"),
        (["data.order=1,2"], "losses on other data cannot be compared"),
        (["threads=1,2"], "how a run is done"),
        (["depth=1,2", "depth=3,4"], "depth is given twice"),
        (["dpeth=1,2"], "did you mean depth?"),
    ],
)
def test_what_no_search_can_choose_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_space(words)
    assert said in str(error.value)


def test_an_interval_of_decimals_for_a_whole_number_is_answered_with_what_to_type() -> None:
    with pytest.raises(UsageError, match=r"write depth=range\(1,9\)"):
        parse_space([*SMALL, "depth=interval(1.5,8.5)"]).corners(0)


def test_a_search_refuses_steps_beside_epochs() -> None:
    with pytest.raises(UsageError, match="steps=100,299 and epochs=8: each sets how long a run trains"):
        parse_space(["steps=range(100,300)", "epochs=8"])
