"""Accuracy of a linear classifier on a layer's output, Alain and Bengio 2016, arXiv:1610.01644."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.data.base import UNSCORED
from stackcli.diagnostics.cka import STILL

STRENGTH = 0.1  # C of the classifiers, whose loss is |w|^2 / 2 + C (sum of -log p)
SLOPE = 1e-4  # training ends when the largest gradient of that loss, over C N, is below this


def accuracy(x: Tensor, labels: Tensor, x_test: Tensor, labels_test: Tensor) -> float | None:
    """Returns the test accuracy of logistic regressions, one for each output, averaged over outputs.

    They are trained on x (N, D) and labels (N, outputs), with x standardised by its mean and standard deviation. An
    output without scored labels in training or test does not count. None if no output counts or x is not finite.
    """
    if not (bool(x.isfinite().all()) and bool(x_test.isfinite().all())):
        return None
    x, x_test = x.double(), x_test.double()
    mean, spread = x.mean(0), x.std(0, correction=0)
    spread[spread <= STILL * x.abs().amax(0)] = torch.inf
    x, x_test = (x - mean) / spread, (x_test - mean) / spread
    found = []
    for y, y_test in zip(labels.T, labels_test.T, strict=True):
        train, test = y != UNSCORED, y_test != UNSCORED
        if bool(train.any()) and bool(test.any()):
            classes, weight, bias = classifier(x[train], y[train])
            predicted = classes[F.linear(x_test[test], weight, bias).argmax(-1)]
            found.append(float((predicted == y_test[test]).double().mean()))
    return sum(found) / len(found) if found else None


def classifier(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fits a multinomial logistic regression of classes y (N,) on x (N, D), by L-BFGS from zero; intercepts are not
    penalised. Returns the C classes of y, their weights (C, D) and intercepts (C,). scikit-learn gives the same, but
    importing it takes as long as a tenth of a short run."""
    classes, at = y.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    weight = torch.zeros(len(classes), x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(len(classes), dtype=x.dtype, requires_grad=True)
    fit = {"max_iter": 1000, "tolerance_grad": SLOPE, "tolerance_change": 0.0, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([weight, bias], **fit)  # type: ignore[arg-type]

    def loss() -> Tensor:
        optimizer.zero_grad()
        penalty = weight.square().sum() / (2 * STRENGTH * len(x))
        value = F.cross_entropy(F.linear(x, weight, bias), at) + penalty
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return classes, weight.detach(), bias.detach()
