"""Types and ranges, how many runs at once, and what a run takes."""

from typing import Annotated, Literal

import pytest
from annotated_types import Ge

from stackcli.config.validation import (
    check_values,
    find_problems,
    longest_input,
    runs_at_once,
)
from tests.factory import config, part


@pytest.mark.parametrize(
    "threads,cores,most", [(1, 8, 8), (2, 8, 4), (3, 8, 2), (8, 8, 1), (16, 8, 1), (1, 1, 1), (5, 64, 12)]
)
def test_zero_jobs_are_the_cores_divided_by_the_threads_of_a_run(threads: int, cores: int, most: int) -> None:
    assert runs_at_once([config(threads=threads)], cores) == most
    assert runs_at_once([config(threads=1), config(threads=threads)], cores) == most


@pytest.mark.parametrize("fitting,most", [(0, 1), (1, 1), (3, 3), (1000, 16), (None, 16)])
def test_no_more_run_at_once_than_fit(fitting: int | None, most: int) -> None:
    assert runs_at_once([config(), config(dim=512)], 16, fitting) == most


@pytest.mark.parametrize(
    "values,said",
    [
        ({"depth": 0}, ["depth=0: must be at least 1"]),
        ({"dropout": 1.0}, ["dropout=1.0: must be below 1"]),
        ({"lr": 0}, ["lr=0: must be above 0"]),
        ({"dim": 65537}, ["dim=65537: must be at most 65536"]),
        ({"depth": True}, ["depth=true: must be a whole number"]),
        ({"depth": 2.0}, ["depth=2.0: must be a whole number"]),
        ({"depth": "2"}, ["depth=2: must be a whole number"]),
        ({"causal": 1}, ["causal=1: must be true or false"]),
        ({"lr": float("nan")}, ["lr=nan: must be a finite number"]),
        ({"lr": None}, ["lr=null: must be a number"]),
        ({"seed": 2**63}, [f"seed={2**63}: must be below 2^63"]),
        ({"pad": "long"}, ["pad=long: choose from batch, max"]),
        ({"kernel": "fused"}, ["kernel=fused: choose from auto, explicit, flex"]),
        ({"compile": "yes"}, ["compile=yes: choose from true, false, auto"]),
        ({"compile": 1}, ["compile=1: choose from true, false, auto"]),
        ({"compile": "auto"}, []),
        ({"compile": True}, []),
        ({"lr": 1}, []),  # a whole number where a decimal one is meant
        ({"depth": 0, "dim": 8, "heads": 0}, ["depth=0: must be at least 1", "heads=0: must be at least 1"]),
    ],
)
def test_a_setting_out_of_type_or_range_is_said_in_words(values: dict[str, object], said: list[str]) -> None:
    assert check_values([values]) == said


def test_a_key_of_a_part_is_checked_against_its_own_annotation() -> None:
    keys = {"copy": Annotated[int, Ge(1)], "base": float | Literal["auto"], "text": str}
    fits = {"copy": 1, "base": "auto", "text": "x"}
    assert find_problems(fits, keys, "pe.") == [] == find_problems({"base": 2}, keys, "pe.")
    assert find_problems({"copy": 0, "text": 3}, keys, "pe.") == [
        "pe.copy=0: must be at least 1",
        "pe.text=3: must be text; quote it with '...'",
    ]


@pytest.mark.parametrize(
    ("name", "options", "tokens"),
    [
        ("subjects", {"max_len": 40}, 40),
        ("digits", {}, 64),
        ("digits", {"upsample": 4}, 1024),
        ("digits", {"upsample": 4, "max_len": 100}, 100),
        ("markov", {"train_len": 24}, 24),
        ("recall", {"train_len": 8, "distance": 100}, 124),
        ("copy", {"train_len": 10}, 21),
        ("text", {"train_len": 50}, 50),
        ("conllu", {"max_len": 30}, 30),
    ],
)
def test_the_longest_input_is_that_of_the_data(name: str, options: dict[str, int], tokens: int) -> None:
    assert longest_input(config(data=part(name, **options))) == tokens
