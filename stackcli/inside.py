"""What each layer is worth once a run is trained, on held-out data: how well a linear classifier answers from its
output, Alain and Bengio 2016, arXiv:1610.01644; what the stack answers without it, Veit et al. 2016, arXiv:1605.06431;
how similar its output is to every other's, Kornblith et al. 2019, arXiv:1905.00414.

Layer 0 is what enters block 1. What is looked at are items: of each sequence the mean of its real tokens' vectors, or
where every token is asked about, the scored tokens' vectors. Eval mode, chosen weights; looking changes nothing.

Shapes: B batch, T positions, N items, D width, L blocks, C classes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.address import generator
from stackcli.batches import Batch, Padded
from stackcli.data.base import UNSCORED
from stackcli.model import StackedAttention, pool
from stackcli.pe.base import Context
from stackcli.probe import scored
from stackcli.record import StackRow
from stackcli.train import EVALUATION, Training

SEQUENCES = 512  # of the training part, that the classifiers learn from; three times as many answer no better
TOKENS = 1024  # of them, where every token is asked about; four times as many answer no better
ITEMS = 2048  # sequences or tokens of the test part, whose vectors are kept
REMOVALS = 2048  # sequences x layers that are answered with a layer removed, so that it costs a few percent of a run
FEWEST = 64  # sequences that are, however deep the stack
STRENGTH = 0.1  # C of the classifiers, whose loss is |w|^2 / 2 + C (sum of -log p)
SLOPE = 1e-4  # largest gradient of that loss, over C N, at which they have learned
STILL = 1e-6  # of its own size: what varies less is rounding


def rows(training: Training) -> list[StackRow]:
    """A row a layer of a finished training, layer 0 first.

    `probe_acc`: test accuracy of a multinomial logistic regression that learns from a subset of the training part, the
    same in every run; the mean over the outputs where a token has several; None where what it reads is not finite.
    `without_acc`, `without_loss` (nats per scored item): of the stack on the test part, the block's input handed on in
    the place of its output. In a deep stack that is the whole stack's number on the whole part plus the mean difference
    on a random subset of it, the same in every run of that depth. None for layer 0.
    `cka`: `similarities` on the test part.
    """
    with chosen(training) as model, torch.no_grad():
        lessons, exam, without = looked(model, training)
    accuracies = [accuracy(x, lessons.labels, y, exam.labels) for x, y in zip(lessons.layers, exam.layers, strict=True)]
    columns = zip(accuracies, without, similarities(exam.layers), strict=True)
    return [
        StackRow(layer=layer, probe_acc=acc, without_acc=less[0], without_loss=less[1], cka=cka)
        for layer, (acc, less, cka) in enumerate(columns)
    ]


@contextmanager
def chosen(training: Training) -> Iterator[StackedAttention]:
    """Inside, the model has the chosen weights and is in eval mode; afterwards it is as it was."""
    model, was = training.model, training.model.training
    last = {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(training.best or last)
    model.eval()
    try:
        yield model
    finally:
        model.load_state_dict(last)
        model.train(was)


# ---- what passes through the stack


class Vectors(NamedTuple):
    """Of the items of a part: what leaves layers 0 .. L, (N, D) each, and their classes, (N, outputs)."""

    layers: list[Tensor]
    labels: Tensor


class Pass(NamedTuple):
    """A batch on its way: which sequences it holds, what leaves layers 0 .. L, (B, T, D) each, where its tokens are."""

    sequences: np.ndarray
    batch: Batch
    layers: list[Tensor]
    ctx: Context


Removed = list[tuple[float | None, float | None]]  # accuracy and loss without layers 0 .. L


def looked(model: StackedAttention, training: Training) -> tuple[Vectors, Vectors, Removed]:
    """One pass of some training sequences and one of the test part, with layers removed on the way."""
    train, test, depth = training.train, training.test, len(model.stack)
    some, order = drawn(train)[:SEQUENCES], drawn(test)
    asked, found = items(train, some, TOKENS), []
    for passed in passes(model, train, some, full=training.full):
        found.append(vectors(model, passed, asked))
    lessons, asked, found = joined(found), items(test, order, ITEMS), []
    few = max(FEWEST, REMOVALS // depth)
    whole, again = torch.zeros(3, dtype=torch.float64), torch.zeros(depth + 1, 3, dtype=torch.float64)
    for group, removing in ((order[:few], True), (order[few:], False)):
        for passed in passes(model, test, group, full=training.full):
            found.append(vectors(model, passed, asked))
            layers = range(depth + 1) if removing else (0,)
            scores = torch.stack([score(without(model, passed, layer), passed.batch.labels) for layer in layers])
            whole += scores[0]
            again += scores if removing else 0
    return lessons, joined(found), differences(whole, again)


def drawn(part: Padded) -> np.ndarray:
    """The sequences of a part in an order that is the same in every run."""
    return generator("evaluation", "inside").permutation(len(part))


def items(part: Padded, sequences: np.ndarray, most: int) -> Tensor:
    """True on what is looked at of these sequences, drawn where there is more: (sequences of the part, 1), or
    (sequences, T) where every token is asked about."""
    longest = int(part.lengths.max()) if part.targets is not None else 1
    asked = torch.zeros(len(part), longest, dtype=torch.bool)
    for i in range(0, len(sequences), EVALUATION):
        some = sequences[i : i + EVALUATION]
        labels = part.asked(some, longest).view(len(some), longest, -1)  # (sequences, T or 1, outputs)
        asked[some] = (labels != UNSCORED).any(-1)
    draw = np.arange(np.count_nonzero(asked.numpy()), dtype=np.int32)
    generator("evaluation", "inside", "items").shuffle(draw)
    return only(asked, draw[:most].astype(np.int64))


def only(asked: Tensor, picked: np.ndarray) -> Tensor:
    """Of the items asked about, numbered from the first sequence on, those picked."""
    counts = np.count_nonzero(asked.numpy(), axis=1)
    ends = counts.cumsum()
    rows = np.searchsorted(ends, picked, side="right")
    before = torch.from_numpy(picked - (ends - counts)[rows])
    places = (asked[rows].cumsum(1) == before[:, None] + 1) & asked[rows]
    asked.zero_()[torch.from_numpy(rows), places.int().argmax(1)] = True
    return asked


def passes(model: StackedAttention, part: Padded, sequences: np.ndarray, *, full: bool) -> Iterator[Pass]:
    """These sequences through the stack, shortest first."""
    ordered = sequences[np.argsort(part.lengths[sequences], kind="stable")]
    for i in range(0, len(ordered), EVALUATION):
        batch = part.cut(ordered[i : i + EVALUATION], full=full)
        x, ctx = model.enter(batch.tokens, batch.mask, batch.pos, batch.tree)
        layers = [x]
        for block in model.stack:
            layers.append(block(layers[-1], ctx, model.pe))
        yield Pass(ordered[i : i + EVALUATION], batch, layers, ctx)


def vectors(model: StackedAttention, passed: Pass, asked: Tensor) -> Vectors:
    """What is looked at of a batch; `asked`: `items` of its part."""
    labels = passed.batch.labels if model.outputs > 1 else passed.batch.labels[..., None]
    if model.every:
        here = asked[passed.sequences, : labels.shape[1]].to(labels.device)
        found = [x[here] for x in passed.layers]
    else:
        here = asked[passed.sequences, 0].to(labels.device)
        found = [pool(x, passed.ctx.mask)[here] for x in passed.layers]
    return Vectors([x.cpu() for x in found], labels[here].cpu())


def joined(found: Sequence[Vectors]) -> Vectors:
    """Several batches as one."""
    layers = zip(*(f.layers for f in found), strict=True)
    return Vectors([torch.cat(batches) for batches in layers], torch.cat([f.labels for f in found]))


# ---- a layer removed


def without(model: StackedAttention, passed: Pass, layer: int) -> Tensor:
    """The logits where the block of a layer (1 .. L) hands its input on; with layer 0 those of the whole stack."""
    if not layer:
        return model.answer(passed.layers[-1], passed.ctx.mask)
    x = passed.layers[layer - 1]
    for block in model.stack[layer:]:
        x = block(x, passed.ctx, model.pe)
    return model.answer(x, passed.ctx.mask)


def score(logits: Tensor, labels: Tensor) -> Tensor:
    """(items, right answers, summed loss in nats), float64."""
    logits, labels = (t.cpu() for t in scored(logits, labels))
    right = float((logits.argmax(-1) == labels).sum())
    loss = float(F.cross_entropy(logits.double(), labels, reduction="sum"))
    return torch.tensor([len(labels), right, loss], dtype=torch.float64)


def differences(whole: Tensor, again: Tensor) -> Removed:
    """Scores (3,) of the whole stack on the whole part, and (L + 1, 3) on some of it of the stack whole and without
    each layer -> accuracy and loss without each, the difference estimator of Cochran 1977, sec. 7.2: no other noise
    than that of the difference, and none where some is all."""
    means, base = again[:, 1:] / again[:, :1], whole[1:] / whole[0]
    found = base + (means[1:] - means[0])
    return [(None, None), *((min(max(acc, 0.0), 1.0), loss) for acc, loss in found.tolist())]


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


# ---- compared with the others


def similarities(layers: Sequence[Tensor]) -> list[tuple[float, ...]]:
    """Linear centred kernel alignment of every two layers' vectors (N, D), to six decimals: Kornblith et al. 2019,
    eq. 4, with the unbiased estimator of HSIC of Song et al. 2012, eq. 5, as Nguyen et al. 2020, arXiv:2010.15327.

    1: equal but for a rotation and a scale; 0: nothing in common, and so with vectors that are all the same. For
    independent vectors with D = 64 the plain estimator gives .16 at N = 334 and .55 at N = 50, this one 0 within .01.
    Empty for fewer than 4 items.
    """
    n = len(layers[0])
    if n < 4:
        return [()] * len(layers)
    sized = [centred(x) for x in layers]
    norms = [x.square().sum(-1) for x in sized]  # (N,)
    shared = torch.zeros(len(sized), len(sized), dtype=torch.float64)
    for i, x in enumerate(sized):
        for j in range(i + 1):
            shared[i, j] = shared[j, i] = hsic(x, sized[j], norms[i], norms[j])
    own = shared.diagonal().clamp(min=0)
    scale = (own[:, None] * own).sqrt()
    found = torch.where(scale > STILL**2, shared / scale, 0.0)
    return [tuple(round(value, 6) for value in row) for row in found.tolist()]


def centred(x: Tensor) -> Tensor:
    """Vectors (N, D) less their mean, of norm 1 together; all 0 where they vary by rounding alone."""
    x = x.double()
    moved = x - x.mean(0)
    size = moved.norm()
    return moved / size if bool(size > STILL * x.norm()) else torch.zeros_like(x)


def hsic(x: Tensor, y: Tensor, x_norms: Tensor, y_norms: Tensor) -> Tensor:
    """N (N - 3) times the unbiased HSIC of linear kernels, from centred vectors and their squared norms. Of the terms
    of Song's eq. 5 the mean leaves these, K~1 being minus the squared norms:
    |X'Y|^2 - N / (N - 2) sum_i |x_i|^2 |y_i|^2 + sum |x_i|^2 sum |y_i|^2 / ((N - 1) (N - 2))."""
    n = len(x)
    both = (x.T @ y).square().sum()
    return both - n / (n - 2) * (x_norms @ y_norms) + x_norms.sum() * y_norms.sum() / ((n - 1) * (n - 2))
