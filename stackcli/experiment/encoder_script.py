"""A plain training script of `nn.TransformerEncoder`: the other side of the sweep in the speed benchmark.

It does what such scripts do: batches in random order, each padded to its longest sequence; loss and accuracy on the
validation part and on as many training sequences before the first step and after each epoch; the weights of the lowest
validation loss kept; the test part at the end, with the last weights and with these. The settings are a Config as JSON,
the first argument.
"""

import json
import math
import sys
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from stackcli.common import registry
from stackcli.config.settings import Config, from_plain
from stackcli.data.base import Loaded
from stackcli.experiment.speed_peers import TorchEncoder
from stackcli.experiment.speed_sides import train_step
from stackcli.training.batching import Padded, order
from stackcli.training.evaluation import subset
from stackcli.training.optimizer import learning_rate, planned_steps

SEQUENCES = 64  # sequences in a batch of an evaluation


@torch.no_grad()
def evaluate(model: nn.Module, part: Padded) -> tuple[float, float]:
    """Returns the mean loss and the accuracy on a part, in its own order."""
    model.eval()
    loss, right = 0.0, 0
    for first in range(0, len(part), SEQUENCES):
        batch = part.cut(np.arange(first, min(first + SEQUENCES, len(part))))
        logits = model(batch.tokens, batch.mask)
        loss += float(F.cross_entropy(logits, batch.labels, reduction="sum"))
        right += int((logits.argmax(-1) == batch.labels).sum())
    return loss / len(part), right / len(part)


def train_encoder(c: Config, loaded: Loaded) -> dict[str, Any]:
    """Trains; returns the curve, the test accuracy of the last weights and of those of the lowest validation loss."""
    torch.manual_seed(c.seed)
    model = TorchEncoder(c, vocab=len(loaded.vocab), classes=len(loaded.classes), max_len=loaded.max_len)
    optimizer = torch.optim.AdamW(model.parameters(), lr=c.lr, weight_decay=c.weight_decay)
    parts = (loaded.train, subset(loaded.train, len(loaded.val)), loaded.val, loaded.test)
    train, own, val, test = (Padded(p, max_len=loaded.max_len, device="cpu", masked=True) for p in parts)
    steps, step, curve = planned_steps(c, len(train)), 0, [(0, *evaluate(model, own), *evaluate(model, val))]
    best, lowest = {k: v.clone() for k, v in model.state_dict().items()}, curve[0][3]
    per_epoch = math.ceil(len(train) / c.batch)
    for epoch in range(math.ceil(steps / per_epoch)):
        model.train()
        for rows in order(train.lengths, batch=c.batch, seed=c.seed, epoch=epoch, sort=False)[: steps - step]:
            train_step(model, optimizer, train.cut(rows), c, learning_rate(c, step, steps))
            step += 1
        curve.append((step, *evaluate(model, own), *evaluate(model, val)))
        if curve[-1][3] < lowest:
            best, lowest = {k: v.clone() for k, v in model.state_dict().items()}, curve[-1][3]
    last = evaluate(model, test)
    model.load_state_dict(best)
    return {"curve": curve, "test_acc_end": last[1], "test_acc": evaluate(model, test)[1]}


def run_script() -> None:
    """Runs the script: loads the data, trains, prints the result as JSON."""
    began = time.perf_counter()
    torch.set_num_threads(1)
    c = from_plain(json.loads(sys.argv[1]))
    loaded = registry.build_part("data", c.data.name, **c.data.options).load()
    print(json.dumps({**train_encoder(c, loaded), "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    run_script()
