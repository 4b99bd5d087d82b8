"""How well a linear classifier answers from a layer's output, Alain and Bengio 2016, arXiv:1610.01644."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.data.base import UNSCORED
from stackcli.diagnostics.cka import STILL

STRENGTH = 0.1  # C of the classifiers, whose loss is |w|^2 / 2 + C (sum of -log p)
SLOPE = 1e-4  # largest gradient of that loss, over C N, at which they have learned


# ---- read by a linear classifier


def accuracy(x: Tensor, labels: Tensor, x_test: Tensor, labels_test: Tensor) -> float | None:
    """Of logistic regressions, one for each output, that learn from x (N, D) and labels (N, outputs) and answer about
    others; every number of x standardised by its mean and deviation over the N. Outputs without a label on either side
    do not count. None where nothing does, or where x is not finite."""
    if not (bool(x.isfinite().all()) and bool(x_test.isfinite().all())):
        return None
    x, x_test = x.double(), x_test.double()
    mean, spread = x.mean(0), x.std(0, correction=0)
    spread[spread <= STILL * x.abs().amax(0)] = torch.inf
    x, x_test = (x - mean) / spread, (x_test - mean) / spread
    found = []
    for known, true in zip(labels.T, labels_test.T, strict=True):
        here, there = known != UNSCORED, true != UNSCORED
        if bool(here.any()) and bool(there.any()):
            classes, weight, bias = classifier(x[here], known[here])
            said = classes[F.linear(x_test[there], weight, bias).argmax(-1)]
            found.append(float((said == true[there]).double().mean()))
    return sum(found) / len(found) if found else None


def classifier(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Multinomial logistic regression of classes y (N,) on x (N, D), by L-BFGS from zero; intercepts are not penalised.
    The C classes that y has, their weights (C, D) and intercepts (C,). scikit-learn finds the same, but takes as long
    to load as a tenth of a short run."""
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
