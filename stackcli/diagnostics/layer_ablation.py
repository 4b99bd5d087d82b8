"""The answers of a trained stack with one layer removed, Veit et al. 2016, arXiv:1605.06431."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.diagnostics.layer_outputs import Pass
from stackcli.model.stack import StackedAttention
from stackcli.training.batching import select_scored

Removed = list[tuple[float | None, float | None]]  # accuracy and loss without layers 0 .. L


def logits_without_layer(model: StackedAttention, passed: Pass, layer: int) -> Tensor:
    """Returns the logits if the block of a layer (1 .. L) is skipped."""
    x = passed.layers[layer - 1]
    for block in model.stack[layer:]:
        x = block(x, passed.ctx, model.pe)
    return model.classify(model.leave(x, passed.ctx.mask))


def score(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns (number of scored items, correct answers, summed loss in nats), (3,), float64."""
    logits, labels = (t.cpu() for t in select_scored(logits, labels))
    right = float((logits.argmax(-1) == labels).sum())
    loss = float(F.cross_entropy(logits.double(), labels, reduction="sum"))
    return torch.tensor([len(labels), right, loss], dtype=torch.float64)


def ablation_effects(whole: Tensor, subset: Tensor) -> Removed:
    """Returns the estimated accuracy and loss without each layer on the whole part.

    `whole`: scores (3,) of the complete stack on all items. `subset`: scores (L + 1, 3) on some of the items, of the
    complete stack (row 0) and without each layer. The difference estimator of Cochran 1977, sec. 7.2, adds the mean
    difference on the subset to the result on all items; it is exact if the subset holds all items.
    """
    means, base = subset[:, 1:] / subset[:, :1], whole[1:] / whole[0]
    found = base + (means[1:] - means[0])
    return [(None, None), *((min(max(acc, 0.0), 1.0), loss) for acc, loss in found.tolist())]
