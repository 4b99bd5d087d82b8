"""What the processes of a run tell one another."""

import math

from stackcli.training.processes import ALONE
from tests.training.pairs import pair


def test_the_norm_of_parts_is_that_of_the_whole() -> None:
    """(3, 4 | 12, 84) has norm 85: neither 5, the first part's, nor 84.85, the second's, nor their sum or mean."""
    assert math.hypot(3, 4, 12, 84) == 85
    assert [each["said"]["norm"] for each in pair()] == [85.0, 85.0]
    assert ALONE.joint_norm(84.85) == 84.85


def test_sums_and_highest_numbers_and_values_reach_all() -> None:
    for said in (each["said"] for each in pair()):
        assert said["sum"] == [3.0, 1.0] and said["highest"] == 2
        assert said["gathered"] == ["from 0", "from 1"] and said["first"] == {"from": 0}


def test_each_item_belongs_to_one_process() -> None:
    shares = [each["said"]["share"] for each in pair()]
    assert sorted(shares[0] + shares[1]) == [0, 1, 2, 3, 4] and {len(share) for share in shares} == {2, 3}
    assert list(range(5))[ALONE.share(5)] == [0, 1, 2, 3, 4]


def test_one_process_answers_for_itself() -> None:
    assert ALONE.add([1.0, 2.0]) == [1.0, 2.0] and ALONE.highest(3) == 3
    assert ALONE.gather("a") == ["a"] and ALONE.broadcast("b") == "b"


def test_five_items_in_two_processes_of_which_one_is_wrong_are_right_to_four_fifths() -> None:
    for accuracy, loss, said in (each["five"] for each in pair()):
        assert accuracy == 0.8 and said == [2, 1, 2, 3, 4]
        assert math.isclose(loss, 30 / 5, rel_tol=1e-9)  # the wrong item alone costs 30 nats
