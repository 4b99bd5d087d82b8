"""The linear classifier against scikit-learn, and which labels count."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from stackcli.data.base import UNSCORED
from stackcli.diagnostics import linear_probe


def blobs(classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    y = draw.integers(0, classes, 300)
    return draw.normal(size=(300, 5)) + 0.7 * draw.normal(size=(classes, 5))[y], y


def test_the_classifier_equals_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "SLOPE", 1e-10)
    x, y = blobs(4)
    classes, weight, bias = linear_probe.classifier(torch.from_numpy(x), torch.from_numpy(y) * 3)
    other = LogisticRegression(C=linear_probe.STRENGTH, tol=1e-12, max_iter=10_000).fit(x, y)
    assert classes.tolist() == [0, 3, 6, 9]
    assert np.abs(weight.numpy() - other.coef_).max() < 1e-6
    assert np.abs((bias - bias.mean()).numpy() - (other.intercept_ - other.intercept_.mean())).max() < 1e-6


def test_for_two_classes_it_equals_scikit_learn_with_twice_the_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "SLOPE", 1e-10)
    x, y = blobs(2)
    _, weight, bias = linear_probe.classifier(torch.from_numpy(x), torch.from_numpy(y))
    other = LogisticRegression(C=2 * linear_probe.STRENGTH, tol=1e-12, max_iter=10_000).fit(x, y)
    assert np.abs((weight[1] - weight[0]).numpy() - other.coef_[0]).max() < 1e-6
    assert float(bias[1] - bias[0]) == pytest.approx(other.intercept_[0], abs=1e-6)


def test_unseen_classes_count_as_errors_and_unscored_labels_do_not_count() -> None:
    x = torch.eye(4).repeat(50, 1)
    y = torch.arange(4).repeat(50)[:, None]
    assert linear_probe.accuracy(x, y, x, y) == 1.0
    lacking = y.masked_fill(y == 2, UNSCORED)
    assert linear_probe.accuracy(x, lacking, x, y) == 0.75
    assert linear_probe.accuracy(x, lacking, x, lacking) == 1.0
    assert linear_probe.accuracy(x, torch.full_like(y, 3), x, y) == 0.25  # a single class in training
    silent = torch.full_like(y, UNSCORED)
    assert linear_probe.accuracy(x, torch.cat((y, silent), 1), x, torch.cat((y, y), 1)) == 1.0
    assert linear_probe.accuracy(x, silent, x, y) is None


def test_constant_features_are_ignored_and_non_finite_features_give_none() -> None:
    y = torch.arange(2).repeat(50)[:, None]
    x = torch.full((100, 3), 7.0, dtype=torch.float64) + 1e-9 * y
    assert linear_probe.accuracy(x, y, x, y) == 0.5
    assert linear_probe.accuracy(x - 7, y, x - 7, y) == 1.0
    for wrong in (math.nan, math.inf):
        broken = x.clone()
        broken[3, 1] = wrong
        assert linear_probe.accuracy(broken, y, x, y) is None and linear_probe.accuracy(x, y, broken, y) is None
