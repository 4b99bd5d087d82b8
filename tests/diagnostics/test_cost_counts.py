"""What is counted equals PyTorch's count, and what a step needs is near to what it takes."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stackcli.common import registry
from stackcli.config.settings import Config, Part
from stackcli.diagnostics import cost_counts, step_cost
from stackcli.diagnostics.cost_counts import Point
from stackcli.launcher.local import Local
from tests.factory import config, part
from tests.helpers import load_workers

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 2.0, "batch": 2, "pe": "none"}


def small(**changes: Any) -> Config:
    return config(**{**SMALL, **changes})


@pytest.mark.parametrize("kind", registry.part_names("attention"))
def test_the_flops_are_pytorchs_count(kind: str) -> None:
    point = Point(small(attention=kind, kernel="explicit"), 300, 320)
    arm = step_cost.build_point(point)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        arm.model.eval()(arm.batch.tokens)
    assert cost_counts.count_costs(point)["flops"] == counter.get_total_flops()


def test_scores_take_eight_bytes_for_each_pair_head_sequence_and_block() -> None:
    found = cost_counts.count_costs(Point(small(depth=3), 100, 100))
    assert found["score_bytes"] == 3 * 2 * 2 * 100**2 * 8 and found["kernel"] == "fused"
    assert cost_counts.count_costs(Point(small(kernel="explicit"), 100, 100))["kernel"] == "explicit"
    assert cost_counts.count_costs(Point(small(pe="relative"), 100, 100))["kernel"] == "explicit"  # a learned bias
    assert math.isnan(cost_counts.count_costs(Point(small(attention="linear"), 100, 100))["score_bytes"])


def test_only_scores_that_are_kept_are_needed() -> None:
    fused, explicit = (cost_counts.count_costs(Point(small(kernel=k), 2000, 2000)) for k in ("auto", "explicit"))
    pairs = 2 * 2 * 4 * 2000**2  # bytes of a number for each pair, of two heads and two sequences
    assert explicit["needed"] - fused["needed"] == pytest.approx(4 * pairs)  # one in each of two blocks, and two more
    biased = cost_counts.count_costs(Point(small(pe="alibi"), 2000, 2000))  # a bias, given to the kernel as its mask
    assert fused["needed"] + 0.4 * fused["score_bytes"] < biased["needed"] < explicit["needed"]


@pytest.mark.parametrize("kind", ["strided", "window", "full"])
def test_beyond_what_can_be_counted_numbers_are_extrapolated(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces of `strided` have about n^2 / 8 scores; those of a window n times a constant."""
    point = Point(small(attention=kind), 4096, 4096)
    exact = cost_counts.count_exactly(point)
    seen: list[int] = []

    def count(asked: Point, real: Any = cost_counts.count_exactly) -> Any:
        seen.append(asked.length)
        return real(asked)

    monkeypatch.setattr(cost_counts, "count_exactly", count)
    monkeypatch.setattr(cost_counts, "COUNTED", 1024)
    monkeypatch.setattr(cost_counts, "MANY", 1e6)
    found = cost_counts.count_costs(point)
    assert seen == ([1024, 512] if kind == "strided" else [4096])
    for name in ("flops", "score_bytes", "needed"):
        assert found[name] == pytest.approx(exact[name], rel=0.25), name


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("kind", registry.part_names("attention"))
def test_what_a_step_needs_is_within_a_factor_of_two_and_a_half(kind: str, kernel: str) -> None:
    load_workers()
    keys = {"reach": 32} if kind == "window" else {}
    options = {**config(attention=kind).attention.options, **keys}
    c = replace(config(dim=32, heads=4, batch=2, pe="none", kernel=kernel), attention=part(kind, **options))
    job = step_cost.Request(Point(c, 1024, 1024), 8e9)
    (done,) = [o for o in Local(workers=1, preload=()).run(step_cost.measure_memory, [job]) if o.state != "started"]
    assert 0.4 < done.detail["needed"] / done.detail["memory"] < 2.5, (kind, done.detail)


# ---- layers that differ, and the memory of a device


def needed(length: int = 1024, **changes: Any) -> float:
    return float(cost_counts.count_costs(Point(small(**changes), length, length))["needed"])


def layered(*names: str, **keys: Any) -> Part:
    """Attention whose layers have these kinds, with the default keys of each."""
    found = {k: v for name in names for k, v in config(attention=name).attention.options.items()}
    return part(names[0], layers=",".join(names), **{**found, **keys})


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
def test_layers_of_two_kinds_need_what_each_needs_in_a_stack_of_its_own(kernel: str) -> None:
    """Beside what each layer keeps, the explicit kernel needs two numbers for each score of the layer at work."""
    pair = layered("full", "sink")
    one, other = (needed(depth=3, attention=kind, kernel=kernel) for kind in ("full", "sink"))
    both = needed(depth=6, attention=pair, kernel=kernel)
    working = 2 * 4 * 2 * 2 * 1024**2 if kernel == "explicit" else 0
    assert both == pytest.approx(one + other - working, rel=1e-12) and one != other
    assert needed(depth=5, attention=pair, kernel=kernel) == pytest.approx(
        both - (other - working) / 3, rel=1e-12
    )  # three of full attention, two with a sink


def test_a_window_needs_less_than_all_pairs_wherever_its_layers_are() -> None:
    """Once only the kind of layer 1 was counted: `full,window` was taken for full attention in all layers."""
    keys: dict[str, Any] = {"kernel": "explicit", "depth": 4, "length": 2048}
    full, window = (needed(attention=kind, **keys) for kind in ("full", "window"))
    first, last = (needed(attention=layered(*names), **keys) for names in (("full", "window"), ("window", "full")))
    assert window < 0.2 * full and first == last and window < first < 0.8 * full


def test_an_encoding_of_each_layer_is_counted_in_each_layer() -> None:
    rows = 16 * 2 * 33 * 8  # bytes in training of the tables of relative: keys and values, 33 rows of E = 8
    bias = 4 * 2 * 2 * 64**2  # of the scores
    one, two = (needed(64, depth=depth, pe="relative") for depth in (1, 2))
    plain = [needed(64, depth=depth, kernel="explicit") for depth in (1, 2)]
    assert (one - plain[0], two - plain[1]) == (rows + bias, 2 * (rows + bias))


def test_an_encoding_that_layers_share_is_counted_once() -> None:
    table = 16 * 64 * 16  # bytes in training of a vector of 16 numbers for each of 64 positions
    assert [needed(64, depth=depth, pe="learned") - needed(64, depth=depth) for depth in (1, 3)] == [table, table]


def test_a_sink_needs_one_dimension_more_and_no_mask() -> None:
    rows, scores = 3 * 1024 * 4 * 2 * 16, 16 * 2  # of queries, keys and values; bytes in training of a sink of 2 heads
    assert needed(depth=3, attention="sink") - needed(depth=3, attention="full") == 3 * (rows + scores)


def on_device(**changes: Any) -> Config:
    return config(**{"device": "cuda", "dim": 128, "data": part("csv", max_len=4096), "pe": "rope", **changes})


def test_the_memory_of_a_run_on_cuda_is_that_of_a_step_at_the_longest_input_and_a_context() -> None:
    c = on_device()
    found = cost_counts.count_costs(Point(c, 4096, 4096))
    assert found["kernel"] == "fused" and cost_counts.device_bytes(c) == 512 * 2**20 + found["needed"]


def test_more_runs_of_a_sparse_kind_than_of_all_pairs_fit_into_a_device() -> None:
    full, window = (on_device(kernel="explicit", attention=kind) for kind in ("full", "window"))
    free = 3.5 * cost_counts.device_bytes(full)
    assert int(free // cost_counts.device_bytes(full)) == 3 and int(free // cost_counts.device_bytes(window)) > 30
