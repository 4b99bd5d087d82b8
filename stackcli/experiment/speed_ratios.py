"""`make bench`: ratios of speed, both sides measured in turn in one process on one thread, medians over rounds.

ours / nn.TransformerEncoder   one training epoch, same batches, same optimiser, same sizes (above 1: ours is
by length / padded to 128      one training epoch of the same model
recording on / off             a whole default training, probes=true against probes=false (1.00: recording is free)
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.common import registry
from stackcli.config import grid
from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.diagnostics import layer_statistics
from stackcli.model.batch import Batch
from stackcli.model.build import build
from stackcli.model.stack import StackedAttention, pool
from stackcli.training.batching import Padded, order
from stackcli.training.loop import Training
from stackcli.training.optimizer import learning_rate, optimizer


class Reference(nn.Module):
    """The same network in plain PyTorch: `nn.TransformerEncoder`, learned positions, masked mean, a classifier."""

    def __init__(self, c: Config, *, vocab: int, classes: int, max_len: int) -> None:
        super().__init__()
        hidden, before = round(c.ff * c.dim), c.residual.name == "pre"
        layer = nn.TransformerEncoderLayer(c.dim, c.heads, hidden, c.dropout, batch_first=True, norm_first=before)
        closing = nn.LayerNorm(c.dim) if before else None
        self.embedding, self.table = nn.Embedding(vocab, c.dim), nn.Parameter(torch.randn(max_len, c.dim) * c.embed_std)
        nn.init.normal_(self.embedding.weight, 0, c.embed_std)
        self.encoder = nn.TransformerEncoder(layer, c.depth, closing, enable_nested_tensor=False)
        self.dropout, self.head = nn.Dropout(c.dropout), nn.Linear(c.dim, classes)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.dropout(self.embedding(tokens) + self.table[: tokens.shape[1]])
        x = self.encoder(x, src_key_padding_mask=None if mask is None else ~mask)
        logits: Tensor = self.head(pool(x, mask))
        return logits


def epoch(
    model: nn.Module, step: torch.optim.Optimizer, batches: list[Batch], c: Config, lrs: Sequence[float]
) -> float:
    """Trains for one pass over the batches, each with its learning rate; returns the seconds."""
    model.train()
    began = time.perf_counter()
    for batch, lr in zip(batches, lrs, strict=True):
        for group in step.param_groups:
            group["lr"] = lr
        loss = F.cross_entropy(model(batch.tokens, batch.mask), batch.labels, label_smoothing=c.label_smoothing)
        step.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), c.clip)
        step.step()
    return time.perf_counter() - began


def ratio(name: str, one: Callable[[], float], other: Callable[[], float], rounds: int) -> float:
    """Returns the median over rounds of other / one, and prints it with its range. Both take turns to be first."""
    one(), other()
    found = []
    for i in range(rounds):
        pair = (one(), other()) if i % 2 else (other(), one())[::-1]
        found.append(pair[1] / pair[0])
    median = statistics.median(found)
    print(f"{name:58} {median:5.2f}  ({min(found):.2f} to {max(found):.2f}, {rounds} rounds)", flush=True)
    return median


def accuracy(model: nn.Module, part: Padded) -> float:
    """Returns the share of sequences that the model classifies correctly."""
    model.eval()
    with torch.no_grad():
        hits = sum(int((model(b.tokens, b.mask).argmax(-1) == b.labels).sum()) for b in part.in_order())
    return hits / len(part)


def against_pytorch(c: Config, loaded: Loaded, rounds: int) -> None:
    """Compares our training step with `nn.TransformerEncoder`, and the test accuracy of both after the same epochs."""
    sizes: dict[str, Any] = {"vocab": len(loaded.vocab), "classes": len(loaded.classes), "max_len": loaded.max_len}
    torch.manual_seed(0)
    models: list[nn.Module] = [build(c, **sizes), Reference(c, **sizes)]
    steps = [optimizer(model, c) for model in models]
    train = Padded(loaded.train, max_len=loaded.max_len, device="cpu", masked=True)
    turn, epochs = [0, 0], rounds + 1

    def run(i: int) -> float:
        rows = order(train.lengths, batch=c.batch, seed=0, epoch=turn[i], sort=True)
        first, total = turn[i] * len(rows), epochs * len(rows)
        lrs = [learning_rate(c, first + at, total) for at in range(len(rows))]
        turn[i] += 1
        return epoch(models[i], steps[i], [train.cut(r) for r in rows], c, lrs)

    ratio(f"nn.TransformerEncoder / ours, time, depth {c.depth}", lambda: run(0), lambda: run(1), rounds)
    test = Padded(loaded.test, max_len=loaded.max_len, device="cpu", masked=True)
    scores = [accuracy(model, test) for model in models]
    print(
        f"  test accuracy after {turn[0]} epochs, one seed: ours {scores[0]:.3f}, nn.TransformerEncoder {scores[1]:.3f}"
    )


def length_ratio(c: Config, loaded: Loaded, rounds: int) -> None:
    """Compares batches of similar length with batches padded to the maximum."""
    model = build(c, vocab=len(loaded.vocab), classes=len(loaded.classes), max_len=loaded.max_len)
    step, train = optimizer(model, c), Padded(loaded.train, max_len=loaded.max_len, device="cpu", masked=True)
    rows = [order(train.lengths, batch=c.batch, seed=0, epoch=0, sort=sort)[:20] for sort in (True, False)]
    near, full = [train.cut(r) for r in rows[0]], [train.cut(r, full=True) for r in rows[1]]
    name = f"padded to {loaded.max_len} / batches of similar length, time"
    lrs = [c.lr] * len(near)
    ratio(name, lambda: epoch(model, step, near, c, lrs), lambda: epoch(model, step, full, c, lrs), rounds)


def recording_ratio(c: Config, loaded: Loaded, rounds: int) -> None:
    """Compares a whole training with and without a record of the layers."""

    def train(probes: bool) -> float:
        own = replace(c, probes=probes)
        model: StackedAttention = build(
            own, vocab=len(loaded.vocab), classes=len(loaded.classes), max_len=loaded.max_len
        )
        began = time.perf_counter()
        training = Training(model, loaded, own, layer_statistics)
        while not training.finished:
            training.advance()
        return time.perf_counter() - began

    ratio(f"recording on / off, time, depth {c.depth}", lambda: train(False), lambda: train(True), rounds)


def measure_ratios() -> None:
    """Measures and prints all ratios: the command `make bench`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="settings, for example data=csv data.path=FILE")
    given = parser.parse_args()
    rounds = given.rounds
    torch.set_num_threads(1)
    configs = grid.parse_grid([*given.overrides, "depth=2,8", "seeds=1"]).configs
    data = configs[0].data
    loaded = registry.build_part("data", data.name, **data.options).load()
    print(f"data={data.name}, {len(loaded.train)} training sequences, one thread, torch {torch.__version__}")
    for c in configs:
        against_pytorch(c, loaded, rounds)
    length_ratio(configs[0], loaded, rounds)
    for c in configs:
        recording_ratio(c, loaded, 3)


if __name__ == "__main__":
    measure_ratios()
