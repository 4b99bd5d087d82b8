"""Two processes give what one gives: losses, gradients, weights, and the rows of every layer."""

import math
from typing import Any

import pytest
import torch

from stackcli.training.parallel import Parallel, has_unused
from stackcli.training.processes import Processes
from tests.factory import config
from tests.training import pairs
from tests.training.pairs import MODES, alone, batch_of, observe, pair, training

EQUAL = 1e-6  # in float64


@pytest.mark.parametrize("mode", [*MODES, "accumulate"])
def test_losses_gradients_and_weights_of_two_processes_are_those_of_one(mode: str) -> None:
    one = alone()
    for found in (each[mode] for each in pair()):
        assert abs(found["loss"] - one["loss"]) < EQUAL and found["gradients"].keys() == one["gradients"].keys()
        for name, grad in one["gradients"].items():
            assert grad.abs().max() > 0 or "pe" in name, name
            torch.testing.assert_close(found["gradients"][name], grad, atol=EQUAL, rtol=EQUAL)
        assert len(one["losses"]) == 3 and len(found["losses"]) == 3
        assert all(abs(a - b) < EQUAL for a, b in zip(found["losses"], one["losses"], strict=True))
        for name, tensor in one["weights"].items():
            torch.testing.assert_close(found["weights"][name], tensor, atol=EQUAL, rtol=EQUAL)


@pytest.mark.parametrize("mode", MODES)
def test_the_rows_of_every_layer_are_those_of_one_process(mode: str) -> None:
    rows = alone()["layers"]
    measured = {key for row in rows for key, value in row.items() if isinstance(value, float)}
    assert {"g1", "g2", "g3", "g4", "update", "entropy"} <= measured and {row["layer"] for row in rows} == {1, 2}
    for each in pair():
        found = each[mode]["layers"]
        assert len(found) == len(rows)
        for row, other in zip(rows, found, strict=True):
            assert row.keys() == other.keys()
            for key, value in row.items():
                same = math.isclose(value, other[key], rel_tol=EQUAL, abs_tol=EQUAL) if is_number(value) else None
                assert same or value == other[key], (row, key, other[key])


def is_number(value: Any) -> bool:
    return isinstance(value, float)


@pytest.mark.parametrize("mode", MODES)
def test_all_processes_have_the_same_result_and_curve(mode: str) -> None:
    first, second = (each[mode] for each in pair())
    assert first["result"] == second["result"] and first["curve"] == second["curve"]
    assert first["layers"] == second["layers"]
    one = alone()["result"]
    for key in ("test_acc", "test_right", "confusion", "params", "flops", "step_best"):
        assert first["result"][key] == one[key], key
    assert abs(first["result"]["test_loss"] - one["test_loss"]) < EQUAL


def test_a_process_holds_half_of_a_divided_stack_and_of_its_moments() -> None:
    one = alone()
    for each in pair():
        assert each["data"]["bytes"] == one["bytes"] and each["data"]["moments"] == one["moments"]
        assert each["sharded"]["bytes"] == one["bytes"] / 2
        assert 0.5 <= each["tensor"]["bytes"] / one["bytes"] < 0.55  # norms and biases of sums are not divided
        assert 0.49 < each["sharded"]["moments"] / one["moments"] < 0.51
        assert each["tensor"]["moments"] / one["moments"] < 0.6  # token vectors are not divided


@pytest.mark.parametrize("mode", MODES)
def test_a_state_that_goes_through_process_0_continues_bit_for_bit(mode: str) -> None:
    for first, second, kept, restored in (each["resumed"][mode] for each in pair()):
        assert len(first) == 2 and first == second and kept == restored
    assert pair()[0]["resumed"][mode] == pair()[1]["resumed"][mode]


@pytest.mark.parametrize("mode", MODES)
def test_products_in_bfloat16_train_in_every_mode(mode: str) -> None:
    exact = alone()["losses"]
    (losses, weights), (others, same) = (each["bf16"][mode] for each in pair())
    assert losses == others and weights == same
    found = [float.fromhex(text) for text in losses]
    assert found != exact and all(abs(a - b) < 0.02 for a, b in zip(found, exact, strict=True))


def test_accumulated_parts_give_the_loss_and_gradients_of_the_batch() -> None:
    one, found = alone(), observe(accumulate=3)
    assert abs(one["loss"] - found["loss"]) < 1e-12
    for name, grad in one["gradients"].items():
        torch.testing.assert_close(found["gradients"][name], grad, atol=1e-12, rtol=1e-12)


def test_pieces_have_each_row_once_and_shares_that_sum_to_the_batch() -> None:
    class Second(Processes):
        rank, size = 1, 2

    batch = batch_of([0, 1, 2, 3, 4])
    assert [piece.share for piece in Parallel().cut(batch, 1)] == [1.0]
    pieces = [piece for p in (Processes(), Second()) for piece in Parallel(p).cut(batch, 2)]
    labels = [piece.batch.labels.tolist() for piece in pieces]
    assert labels == [[0, 1], [2, 3, 4], [2], [3, 4]]  # of one process all rows, of the second of two its own
    assert [round(piece.share, 12) for piece in pieces] == [0.4, 0.6, 0.4, 0.8]
    more = Parallel(Second()).cut(batch_of([0, 1, 2]), 3)
    assert [len(piece.batch.labels) for piece in more] == [1, 1, 1] and sum(p.share == 0 for p in more) == 1


def test_a_parameter_without_a_part_in_the_answers_is_found() -> None:
    run = training()
    assert not has_unused(run.model, run.probe_batch)
    run.model.extra = torch.nn.Parameter(torch.zeros(1))
    assert has_unused(run.model, run.probe_batch)


def test_the_checks_are_of_batches_that_do_not_divide_by_two() -> None:
    assert config(**pairs.EXACT).batch % 2 == 1
