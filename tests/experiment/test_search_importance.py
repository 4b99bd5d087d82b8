"""Which settings matter."""

from typing import Any

import numpy as np
import pytest

from stackcli.config import overrides
from stackcli.config.overrides import Interval, Steps
from stackcli.experiment import search_importance


def test_importance_is_the_share_of_variance_that_a_setting_explains() -> None:
    # u and v uniform, loss = a u + b v: a setting's share of the variance is a^2 / (a^2 + b^2)
    draw = np.random.default_rng(0)
    domains: dict[str, overrides.Domain] = {
        "lr": Interval(1e-5, 1e-2, log=True),
        "dropout": Interval(0.0, 0.5),
        "pe": ("learned", "none", "rope"),
    }
    for a, b in ((1.0, 1.0), (2.0, 1.0)):
        tried = []
        for u, v in draw.uniform(size=(100, 2)):
            values = {"lr": 10 ** (-5 + 3 * u), "dropout": 0.5 * v, "pe": str(draw.choice(["learned", "none", "rope"]))}
            tried.append((values, float(a * u + b * v)))
        found = search_importance.measure_importances(domains, tried)
        assert found.shares["lr"] == pytest.approx(a**2 / (a**2 + b**2), abs=0.1)
        assert found.shares["dropout"] == pytest.approx(b**2 / (a**2 + b**2), abs=0.1)
        assert found.shares["pe"] < 0.02 and found.explained > 0.9
        assert list(found.shares) == sorted(found.shares, key=lambda key: -found.shares[key])


def test_no_importance_is_given_for_noise_and_for_too_few_trials() -> None:
    draw = np.random.default_rng(1)
    domains: dict[str, overrides.Domain] = {"lr": Interval(0.0, 1.0), "depth": Steps((1, 2, 3, 4))}

    def tried(n: int) -> list[tuple[dict[str, Any], float]]:
        return [({"lr": draw.uniform(), "depth": int(draw.integers(1, 5))}, draw.normal()) for _ in range(n)]

    noise = search_importance.measure_importances(domains, tried(40))
    assert noise.explained < 0 and "no importance is given" in search_importance.describe_importances(noise)
    few = search_importance.measure_importances(domains, tried(9))
    assert few.shares == {} and "Too few trials" in search_importance.describe_importances(few)
    same = search_importance.measure_importances(domains, [(values, 0.5) for values, _ in tried(40)])
    assert "no setting matters" in search_importance.describe_importances(same)
    rough = [({"lr": float(x), "depth": 1}, float(x)) for x in draw.uniform(size=12)]
    found = search_importance.measure_importances(domains, rough)
    assert "a rough guide" in search_importance.describe_importances(found)


def test_the_sentence_names_the_largest_share_first_and_what_the_forest_explains() -> None:
    found = search_importance.Found(40, {"lr": 0.75, "depth": 0.25}, 0.6)
    said = search_importance.describe_importances(found, "after 3 epochs")
    assert "after 3 epochs (fANOVA): lr 0.75, depth 0.25." in said
    assert said.endswith("A forest explains 60 % of the variance of trials left out.")
