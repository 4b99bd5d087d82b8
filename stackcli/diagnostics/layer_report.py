"""What each layer of a trained stack knows and contributes: linear probes of the class and of the position, the logit
lens, the stack without the layer, its CKA with other layers."""

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
from stackcli.diagnostics.logit_lens import Lens, lens_results, score_layers
from stackcli.diagnostics.position_probe import position_accuracies
from stackcli.model.stack import StackedAttention
from stackcli.training.loop import Training

REMOVALS = 2048  # sequences x layers evaluated with a layer removed, so that they cost a few percent of a run
FEWEST = 64  # sequences evaluated with each layer removed at the least, however deep the stack


def layer_rows(training: Training) -> list[StackRow]:
    """Returns one row for each layer of a finished training, layer 0 first.

    `probe_acc`: test accuracy of a multinomial logistic regression trained on a subset of the training part, the same
    subset in every run; averaged over outputs if a token has several; None if its input is not finite.
    `without_acc`, `without_loss` (nats per scored item): of the stack on the test part, with the block's input in place
    of its output. In a deep stack they are the complete stack's result on the whole part plus the mean difference on a
    random subset of it, the same subset in every run of that depth. None for layer 0.
    `cka`: `similarities` on the test part.
    `lens_acc`, `lens_loss` (nats per scored item): of the stack's own classifier on the layer's output, on the whole
    test part; the last row has those of the stack itself.
    `position_acc`: see `position_accuracies`.
    """
    with chosen_weights(training) as model:
        with torch.no_grad():
            train, test, ablated, lens = collect_vectors(model, training)
        positions = position_accuracies(model, training.train, training.test)
    accuracies = [accuracy(x, train.labels, y, test.labels) for x, y in zip(train.layers, test.layers, strict=True)]
    columns = zip(accuracies, ablated, similarities(test.layers), lens, positions, strict=True)
    return [
        StackRow(
            layer=layer,
            probe_acc=acc,
            without_acc=without[0],
            without_loss=without[1],
            cka=cka,
            lens_acc=read[0],
            lens_loss=read[1],
            position_acc=position,
        )
        for layer, (acc, without, cka, read, position) in enumerate(columns)
    ]


@contextmanager
def chosen_weights(training: Training) -> Iterator[StackedAttention]:
    """Gives the model the chosen weights in eval mode; restores its weights and mode on exit."""
    model, was = training.model, training.model.training
    last = {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(training.best or last)
    model.eval()
    try:
        yield model
    finally:
        model.load_state_dict(last)
        model.train(was)


def collect_vectors(model: StackedAttention, training: Training) -> tuple[Vectors, Vectors, Removed, Lens]:
    """Returns the vectors of some training sequences and of the test part, the effects of removing each layer, and what
    the classifier reads off each layer."""
    train, test, depth = training.train, training.test, len(model.stack)
    some, order = draw_sequences(train)[:SEQUENCES], draw_sequences(test)
    chosen, found = choose_items(train, some, TOKENS), []
    for passed in passes(model, train, some, full=training.full):
        found.append(vectors(model, passed, chosen))
    train_vectors, chosen, found = join_batches(found), choose_items(test, order, ITEMS), []
    few = max(FEWEST, REMOVALS // depth)
    lens, subset = (torch.zeros(depth + 1, 3, dtype=torch.float64) for _ in range(2))
    for group, removing in ((order[:few], True), (order[few:], False)):
        for passed in passes(model, test, group, full=training.full):
            found.append(vectors(model, passed, chosen))
            scores = score_layers(model, passed)
            lens += scores
            if removing:
                without = (logits_without_layer(model, passed, layer) for layer in range(1, depth + 1))
                subset += torch.stack([scores[-1], *(score(logits, passed.batch.labels) for logits in without)])
    return train_vectors, join_batches(found), ablation_effects(lens[-1], subset), lens_results(lens)
