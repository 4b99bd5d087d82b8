"""The logit lens: the stack's own classifier on the output of each layer, nostalgebraist 2020, "interpreting GPT".

Early layers can hold an answer in a form that the classifier, trained on the last layer, does not read: then the lens
is biased, Belrose et al. 2023, sec. 2, arXiv:2303.08112. The class probe (`linear_probe`) is trained on each layer.

Shapes: B texts, L blocks, C classes.
"""

import torch
from torch import Tensor

from stackcli.diagnostics.layer_ablation import score
from stackcli.diagnostics.layer_outputs import Pass
from stackcli.model.batch import Batch
from stackcli.model.stack import StackedAttention

Lens = list[tuple[float, float]]  # accuracy and loss of layers 0 .. L


def score_layers(model: StackedAttention, passed: Pass) -> Tensor:
    """Returns the scores of a batch (`layer_ablation.score`) at each layer, (L + 1, 3): the layer's output goes through
    the normalisation that closes some stacks, the pooling and the classifier. Row L has the stack's own answers."""
    logits = (model.classify(model.leave(x, passed.ctx.mask)) for x in passed.layers)
    return torch.stack([score(one, passed.batch.labels) for one in logits])


def lens_results(scores: Tensor) -> Lens:
    """Accuracy, and loss in nats per scored item, from the summed scores (L + 1, 3) of all batches."""
    means = scores[:, 1:] / scores[:, :1]
    return [(acc, loss) for acc, loss in means.tolist()]


@torch.no_grad()
def read_off(model: StackedAttention, batch: Batch) -> Tensor:
    """Returns the class shares that the classifier gives after layers 0 .. L, (L + 1, B, C); in a stack that answers at
    every token, those at the last real token. The last are the stack's own."""
    x, ctx = model.enter(batch.tokens, batch.mask, batch.pos, batch.tree)
    logits = [model.classify(model.leave(x, batch.mask))]
    for block in model.stack:
        x = block(x, ctx, model.pe)
        logits.append(model.classify(model.leave(x, batch.mask)))
    shares = torch.stack(logits).softmax(-1)
    if not model.every:
        return shares
    B, T = batch.tokens.shape
    last = torch.full((B,), T - 1) if batch.mask is None else batch.mask.sum(1).cpu() - 1
    return shares[:, torch.arange(B), last]
