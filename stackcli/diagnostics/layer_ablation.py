"""What a trained stack answers without one of its layers, Veit et al. 2016, arXiv:1605.06431."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.diagnostics.layer_outputs import Pass
from stackcli.model.stack import StackedAttention
from stackcli.training.batching import select_scored

Removed = list[tuple[float | None, float | None]]  # accuracy and loss without layers 0 .. L


def logits_without_layer(model: StackedAttention, passed: Pass, layer: int) -> Tensor:
    """The logits where the block of a layer (1 .. L) hands its input on; with layer 0 those of the whole stack."""
    if not layer:
        return model.answer(passed.layers[-1], passed.ctx.mask)
    x = passed.layers[layer - 1]
    for block in model.stack[layer:]:
        x = block(x, passed.ctx, model.pe)
    return model.answer(x, passed.ctx.mask)


def score(logits: Tensor, labels: Tensor) -> Tensor:
    """(items, right answers, summed loss in nats), float64."""
    logits, labels = (t.cpu() for t in select_scored(logits, labels))
    right = float((logits.argmax(-1) == labels).sum())
    loss = float(F.cross_entropy(logits.double(), labels, reduction="sum"))
    return torch.tensor([len(labels), right, loss], dtype=torch.float64)


def ablation_effects(whole: Tensor, again: Tensor) -> Removed:
    """Scores (3,) of the whole stack on the whole part, and (L + 1, 3) on some of it of the stack whole and without
    each layer -> accuracy and loss without each, the difference estimator of Cochran 1977, sec. 7.2: no other noise
    than that of the difference, and none where some is all."""
    means, base = again[:, 1:] / again[:, :1], whole[1:] / whole[0]
    found = base + (means[1:] - means[0])
    return [(None, None), *((min(max(acc, 0.0), 1.0), loss) for acc, loss in found.tolist())]
