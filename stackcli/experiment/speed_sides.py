"""The sides of a speed comparison: our training, and a peer trained as PyTorch's documentation does it.

Both get the same batches in the same order. Ours runs `Training.advance`, the code of every run. A peer's batches are
cut before the clock starts, ours while it runs.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from stackcli.common import registry
from stackcli.common.seeding import generator
from stackcli.config import grid
from stackcli.config.settings import Config
from stackcli.data.base import Examples, Loaded
from stackcli.experiment.speed_measurement import MOST, Run
from stackcli.experiment.speed_peers import PEERS, count_parameters
from stackcli.model import cost
from stackcli.model.batch import Batch
from stackcli.model.build import build_for
from stackcli.model.stack import StackedAttention
from stackcli.training.batching import Padded, order
from stackcli.training.loop import Training
from stackcli.training.optimizer import learning_rate

VOCABULARY, CLASSES = 1000, 4  # of random sequences
PARAMETERS, FLOPS = 0.01, 0.05  # largest share by which a peer may differ from ours


@dataclass(frozen=True)
class Work:
    """What every side of a comparison is given. The training part is repeated until no epoch ends while it is measured,
    so that no turn holds an evaluation. turn: training steps in a turn."""

    config: Config
    loaded: Loaded
    turn: int

    @classmethod
    def of(cls, words: tuple[str, ...], loaded: Loaded, *, turn: int) -> "Work":
        """Makes the work of the settings in `words`, on the training sequences of `loaded`."""
        config = grid.parse_grid([*words, "seeds=1"]).configs[0]
        rows = (MOST + 2) * turn * config.batch
        few = range(min(2, len(loaded.val), len(loaded.test)))
        train = loaded.train.only(i % len(loaded.train) for i in range(rows))
        own = replace(loaded, train=train, val=loaded.val.only(few), test=loaded.test.only(few), longer=())
        return cls(replace(config, probes=False, patience=0, steps=rows // config.batch), own, turn)

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes that a peer depends on."""
        return {key: self.loaded.sizes[key] for key in ("vocab", "classes", "max_len")}

    @cached_property
    def batches(self) -> list[Batch]:
        """The batches that `Training` cuts, in its order."""
        c, loaded = self.config, self.loaded
        full, masked = c.pad == "max", c.mask == "padding"
        train = Padded(loaded.train, max_len=loaded.max_len, device=c.device, masked=masked, outputs=loaded.outputs)
        rows = order(train.lengths, batch=c.batch, seed=c.seed, epoch=0, sort=not full)
        return [train.cut(r, full=full) for r in rows]

    def in_turns(self, step: Callable[[Batch, int], object]) -> Run:
        """Returns a function that makes the next turn: `step(batch, number)` for each of its batches."""
        turns = itertools.count()

        def run() -> None:
            first = next(turns) * self.turn
            for number in range(first, first + self.turn):
                step(self.batches[number], number)

        return run

    def flops(self, model: StackedAttention) -> list[int]:
        """Returns the FLOPs of the matrix products of each training step, padding included: three forward passes in
        closed form, as the backward pass has two products for each."""
        return [3 * len(b.tokens) * cost.flops(self.config, model, b.tokens.shape[1]) for b in self.batches]


def random_loaded(length: int, *, rows: int = 16) -> Loaded:
    """Returns random sequences of one length with random classes."""
    draw = generator("speed", length)

    def examples(count: int) -> Examples:
        tokens = tuple(draw.integers(1, VOCABULARY, length) for _ in range(count))
        return Examples(tokens, tuple((np.arange(count) % CLASSES).tolist()), ("",) * count)

    names, classes = tuple(map(str, range(VOCABULARY))), tuple(map(str, range(CLASSES)))
    return Loaded(examples(rows), examples(2), examples(2), names, classes, length, False)


def with_trees(loaded: Loaded) -> Loaded:
    """Returns the data with a binary tree over the tokens of each sequence: the parent of token i is token i // 2."""

    def grow(part: Examples) -> Examples:
        return replace(part, trees=tuple(np.arange(len(row)) // 2 for row in part.tokens))

    return replace(loaded, train=grow(loaded.train), val=grow(loaded.val), test=grow(loaded.test))


def load_words(words: tuple[str, ...]) -> Loaded:
    """Loads the data that the settings name."""
    data = grid.parse_grid([*words, "seeds=1"]).configs[0].data
    loaded: Loaded = registry.build_part("data", data.name, **data.options).load()
    return loaded


def our_training(work: Work) -> tuple[StackedAttention, Run]:
    """Returns our model, and a function that trains it for a turn."""
    model = build_for(work.config, work.loaded)
    training = Training(model, work.loaded, work.config)

    def run() -> None:
        for _ in range(work.turn):
            training.advance()

    return model, run


def peer_training(work: Work, model: nn.Module, *, fused: bool | None = None) -> Run:
    """Returns a function that trains a peer for a turn, with `torch.optim.AdamW` as it comes or as `fused` says."""
    c = work.config
    optimizer = torch.optim.AdamW(model.parameters(), lr=c.lr, weight_decay=c.weight_decay, fused=fused)
    model.train()

    def step(batch: Batch, number: int) -> None:
        train_step(model, optimizer, batch, c, learning_rate(c, number, c.steps))

    return work.in_turns(step)


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, c: Config, lr: float) -> Tensor:
    """Makes one training step in plain PyTorch; returns the loss."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    loss = F.cross_entropy(model(batch.tokens, batch.mask), batch.labels, label_smoothing=c.label_smoothing)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), c.clip)
    optimizer.step()
    return loss


def forward_turns(work: Work, model: nn.Module) -> Run:
    """Sets a model to eval mode; returns a function that makes the forward passes of a turn, without gradients."""
    model.eval()

    @torch.no_grad()
    def step(batch: Batch, _: int) -> None:
        model(batch.tokens, batch.mask)

    return work.in_turns(step)


def count_flops(model: nn.Module, batch: Batch, *, tokens: int = 64) -> int:
    """Counts the FLOPs of the matrix products of a forward pass on the first `tokens` tokens, by PyTorch's counter."""
    mask = None if batch.mask is None else batch.mask[:, :tokens]
    fused = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused_flops}
    counter = FlopCounterMode(display=False, custom_mapping=fused)
    with counter:
        model.train()(batch.tokens[:, :tokens], mask)
    return int(counter.get_total_flops())


def fused_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Returns the FLOPs of the fused kernel of the CPU, which PyTorch's counter leaves out, from the shapes."""
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def check_equal(name: str, ours: nn.Module, peer: nn.Module, batch: Batch) -> None:
    """Raises ValueError if a peer is another network than ours: in its parameters by more than 1 %, or in the FLOPs of
    its matrix products by more than 5 %."""
    pairs: Mapping[str, tuple[Any, Any, float]] = {
        "parameters": (count_parameters(ours), count_parameters(peer), PARAMETERS),
        "FLOPs": (count_flops(ours, batch), count_flops(peer, batch), FLOPS),
    }
    for what, (own, other, most) in pairs.items():
        if abs(other / own - 1) > most:
            raise ValueError(f"{name} has {other:,} {what} and ours {own:,}: not the same network")


def peer_models(work: Work, ours: StackedAttention) -> dict[str, nn.Module]:
    """Builds the peers that are installed, each checked to be the same network as ours."""
    models = {name: peer.build(work.config, **work.sizes) for name, peer in PEERS.items() if not peer.missing}
    for name, model in models.items():
        check_equal(name, ours, model, work.batches[0])
    return models
