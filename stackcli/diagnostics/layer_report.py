"""Each layer of a trained stack: read by a linear classifier, left out, compared with the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stackcli.common.records import StackRow
from stackcli.diagnostics.cka import similarities
from stackcli.diagnostics.layer_ablation import Removed, ablation_effects, logits_without_layer, score
from stackcli.diagnostics.layer_outputs import (
    ITEMS,
    SEQUENCES,
    TOKENS,
    Vectors,
    choose_items,
    draw_sequences,
    join_batches,
    passes,
    vectors,
)
from stackcli.diagnostics.linear_probe import accuracy
from stackcli.model.stack import StackedAttention
from stackcli.training.loop import Training

REMOVALS = 2048  # sequences x layers that are answered with a layer removed, so that it costs a few percent of a run

FEWEST = 64  # sequences that are, however deep the stack


def layer_rows(training: Training) -> list[StackRow]:
    """A row a layer of a finished training, layer 0 first.

    `probe_acc`: test accuracy of a multinomial logistic regression that learns from a subset of the training part, the
    same in every run; the mean over the outputs where a token has several; None where what it reads is not finite.
    `without_acc`, `without_loss` (nats per scored item): of the stack on the test part, the block's input handed on in
    the place of its output. In a deep stack that is the whole stack's number on the whole part plus the mean difference
    on a random subset of it, the same in every run of that depth. None for layer 0.
    `cka`: `similarities` on the test part.
    """
    with chosen_weights(training) as model, torch.no_grad():
        lessons, exam, without = collect_vectors(model, training)
    accuracies = [accuracy(x, lessons.labels, y, exam.labels) for x, y in zip(lessons.layers, exam.layers, strict=True)]
    columns = zip(accuracies, without, similarities(exam.layers), strict=True)
    return [
        StackRow(layer=layer, probe_acc=acc, without_acc=less[0], without_loss=less[1], cka=cka)
        for layer, (acc, less, cka) in enumerate(columns)
    ]


@contextmanager
def chosen_weights(training: Training) -> Iterator[StackedAttention]:
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


def collect_vectors(model: StackedAttention, training: Training) -> tuple[Vectors, Vectors, Removed]:
    """One pass of some training sequences and one of the test part, with layers removed on the way."""
    train, test, depth = training.train, training.test, len(model.stack)
    some, order = draw_sequences(train)[:SEQUENCES], draw_sequences(test)
    asked, found = choose_items(train, some, TOKENS), []
    for passed in passes(model, train, some, full=training.full):
        found.append(vectors(model, passed, asked))
    lessons, asked, found = join_batches(found), choose_items(test, order, ITEMS), []
    few = max(FEWEST, REMOVALS // depth)
    whole, again = torch.zeros(3, dtype=torch.float64), torch.zeros(depth + 1, 3, dtype=torch.float64)
    for group, removing in ((order[:few], True), (order[few:], False)):
        for passed in passes(model, test, group, full=training.full):
            found.append(vectors(model, passed, asked))
            layers = range(depth + 1) if removing else (0,)
            scores = torch.stack(
                [score(logits_without_layer(model, passed, layer), passed.batch.labels) for layer in layers]
            )
            whole += scores[0]
            again += scores if removing else 0
    return lessons, join_batches(found), ablation_effects(whole, again)
