"""Search results as tables and sentences."""

import os

import pytest

from stackcli.config import overrides
from stackcli.config.overrides import Interval, Steps
from stackcli.experiment import search_report


@pytest.mark.parametrize("keys", [3, 12])
def test_the_table_of_the_best_trials_fits_80_columns(keys: int) -> None:
    from rich.console import Console

    axes = ["lr", "dropout", "attention_dropout", "weight_decay", "label_smoothing", "pe.randomised"]
    axes = [*axes, *(f"pe.key_number_{i}" for i in range(6))][:keys]
    rows = [
        {"trial": n, **dict.fromkeys(axes, 0.000123456), "val_loss": 2 - n / 100, "status": "done", "run": str(n)}
        for n in range(1, 31)
    ]
    rows.append({**rows[0], "trial": 31, "val_loss": None, "status": "diverged", "run": "x"})
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(search_report.trial_table(rows, axes))
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80 and "0.000123456" in shown
    found = [line.split()[:2] for line in shown.splitlines() if line.strip()[:2] in ("1.", "2.")]
    assert found == [[f"{2 - n / 100:.3f}", str(n)] for n in range(30, 20, -1)]


def test_a_best_value_at_the_end_of_what_was_searched_is_named() -> None:
    domains: dict[str, overrides.Domain] = {
        "lr": Interval(1e-5, 1e-2, log=True),
        "depth": Steps((1, 2, 3)),
        "ff": Interval(0.0, 1.0),
        "pe": ("a", "b"),
    }
    assert search_report.describe_edges(domains, {"lr": 9e-3, "depth": 3, "ff": 0.5, "pe": "a"}).startswith(
        "lr, depth lie at the end"
    )
    assert search_report.describe_edges(domains, {"lr": 3e-4, "depth": 2, "ff": 0.99, "pe": "b"}).startswith(
        "ff lies at the end"
    )
    assert search_report.describe_edges(domains, {"lr": 2e-5, "depth": 2, "ff": 0.5, "pe": "b"}) == ""


def test_what_is_searched_is_described_with_its_ends_its_values_or_some_of_them() -> None:
    described: dict[overrides.Domain, str] = {
        Interval(1e-4, 0.1, log=True): "0.0001 to 0.1, on a log scale",
        Interval(1, 8, whole=True): "whole numbers from 1 to 8",
        Steps((1, 2, 3, 4, 5, 6)): "1, 2, 3, 4, 5, 6",
        Steps((2, 4, 6, 8, 10, 12, 14), log=True): "2, 4, ..., 14, on a log scale",
        ("rope", True, None): "rope, true, -",
    }
    for domain, text in described.items():
        assert search_report.describe_domain(domain) == text


def test_a_value_is_at_the_end_within_a_twentieth_of_the_interval_on_the_scale_of_the_search() -> None:
    even, log = Interval(0.0, 1.0), Interval(1e-4, 1.0, log=True)  # a twentieth of four decades: 10^0.2 = 1.58
    assert [search_report.at_end(even, x) for x in (0.049, 0.051, 0.949, 0.951)] == [True, False, False, True]
    assert [search_report.at_end(log, x) for x in (1.57e-4, 1.6e-4, 0.62, 0.64)] == [True, False, False, True]
    assert not search_report.at_end(("a", "b"), "a")  # a choice has no order


def test_luck_is_the_loss_in_the_search_beside_the_mean_on_the_fresh_seeds() -> None:
    assert search_report.describe_luck(0.5, [0.6, 0.9]).endswith(
        "was 0.500 in the search and is 0.750 on the fresh seeds."
    )
    assert search_report.describe_luck(0.5, []) == "The chosen setting did not finish on the fresh seeds."


def test_the_choice_says_whether_the_defaults_stand_beside_it() -> None:
    both = search_report.describe_choice("lr=0.01", 1, [3], beside=True)
    assert "lr=0.01: chosen among 1 trial by" in both and "beside the defaults on the fresh seed 3;" in both
    alone = search_report.describe_choice("lr=0.01", 40, [3, 4], beside=False)
    assert "40 trials" in alone and "that setting on the fresh seeds 3, 4;" in alone
