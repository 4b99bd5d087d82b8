"""`make bench`: our training step and forward pass against those of other libraries, side by side on one thread.

Sections, chosen with --only:
  peers       training step and forward pass against nn.TransformerEncoder, x-transformers and BertModel
  peak        share of the machine's matrix-product speed that a training step reaches
  encodings   training step of each position encoding against none
  kinds       training step of each kind of attention against full attention
  batches     batches of similar length against batches padded to the longest sequence there is
  recording   a whole training with and without a record of the layers
  accuracy    test accuracy of ours and of nn.TransformerEncoder after the same training
  kernels     training step with the explicit attention kernel against the fused one, by length
  sweep       a whole sweep against the same runs as scripts; only with --whole or --only sweep, as it takes minutes
All sides of a table take turns in one process, and each round begins with another side. A table shows the median over
rounds and the quartiles. Settings choose the data: data=csv data.path=FILE.
"""

import argparse
import platform
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from stackcli.config import grid
from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.diagnostics import layer_statistics
from stackcli.experiment.console import Console
from stackcli.experiment.encoder_script import train_encoder
from stackcli.experiment.speed_kernels import kernel_sections
from stackcli.experiment.speed_measurement import (
    MOST,
    WIDTH,
    Row,
    Run,
    Section,
    build_table,
    compare_times,
    measure_turns,
)
from stackcli.experiment.speed_parts import encoding_sections, kind_sections
from stackcli.experiment.speed_peers import PEERS, TorchEncoder, XTransformer
from stackcli.experiment.speed_sides import (
    Work,
    forward_turns,
    load_words,
    our_training,
    peer_models,
    peer_training,
    random_loaded,
)
from stackcli.experiment.speed_sweep import sweep_section
from stackcli.model.build import build_for
from stackcli.training.loop import Training

Measure = Callable[..., dict[str, list[float]]]


class Size(NamedTuple):
    """A size at which all sides are compared. length: tokens of random sequences; 0 for the data of the command. turn:
    training steps in a turn; seconds: how long the rounds of a table should take."""

    name: str
    words: tuple[str, ...]
    length: int = 0
    turn: int = 1
    seconds: float = 20.0


SIZES = (
    Size("batch 32, the data, dim 64, heads 4, depth 2", ("depth=2",), turn=8),
    Size("batch 32, the data, dim 64, heads 4, depth 8", ("depth=8",), turn=3),
    Size("batch 4, 512 tokens, dim 256, heads 8, depth 8", ("batch=4", "dim=256", "heads=8", "depth=8"), 512),
    Size("batch 1, 4096 tokens, dim 128, heads 4, depth 4", ("batch=1", "dim=128", "heads=4", "depth=4"), 4096),
)
REACH = ("attention=window", "attention.reach=64")
OURS, WINDOW, CAUSAL, LOCAL = "ours", "our window", "our causal window", "x-transformers, local"
STEP = "forward, backward, clipping, AdamW; the peers with torch.optim.AdamW as it comes; dropout alike"
FORWARD = "eval mode, no gradients"
PRODUCT = 1536  # rows of the matrices whose product is the machine's speed


@dataclass(frozen=True)
class Request:
    """What the command asks for: the settings of the data, and how to measure."""

    words: tuple[str, ...]
    measure: Measure
    rounds: int = 0

    def work(self, size: Size, *more: str) -> Work:
        """Makes the work of a size, with further settings."""
        loaded = random_loaded(size.length) if size.length else load_words(self.words)
        words = (*(() if size.length else self.words), *size.words, *more)
        return Work.of(words, loaded, turn=size.turn)


def peer_sections(request: Request) -> Iterator[Section]:
    """Yields two tables for each size: the training step, and the forward pass in eval mode without gradients."""
    for size in SIZES:
        work = request.work(size)
        ours, training = our_training(work)
        models: dict[str, nn.Module] = {OURS: ours, **peer_models(work, ours)}
        steps = {OURS: training} | {n: peer_training(work, m) for n, m in models.items() if n != OURS}
        if size.length > 1024:
            models[WINDOW], steps[WINDOW] = our_training(request.work(size, *REACH))
            local = local_sides(request.work(size, *REACH, "causal=true"))
            models |= {name: model for name, (model, _) in local.items()}
            steps |= {name: run for name, (_, run) in local.items()}
        if not size.length:
            steps |= variants(work)
        found = request.measure(steps, seconds=size.seconds)
        yield Section(f"Training step, {size.name}", "peer / ours", STEP, peer_rows(found, work.turn))
        forward = {name: forward_turns(work, model) for name, model in models.items()}
        found = request.measure(forward, seconds=size.seconds / 2)
        yield Section(f"Forward pass, {size.name}", "peer / ours", FORWARD, peer_rows(found, work.turn))


def variants(work: Work) -> dict[str, Run]:
    """Returns two other ways to train `nn.TransformerEncoder`: with the fused AdamW that ours uses, and with the
    dropout that the class has of itself."""
    return {
        "nn.TransformerEncoder, fused AdamW": peer_training(work, TorchEncoder(work.config, **work.sizes), fused=True),
        "nn.TransformerEncoder, own dropout": peer_training(work, TorchEncoder(work.config, plain=True, **work.sizes)),
    }


def local_sides(work: Work) -> dict[str, tuple[nn.Module, Run]]:
    """Returns our causal window and that of x-transformers, the only local attention that a peer has."""
    if PEERS["x-transformers"].missing:
        return {}
    peer = XTransformer(work.config, reach=work.config.attention.options["reach"], **work.sizes)
    return {CAUSAL: our_training(work), LOCAL: (peer, peer_training(work, peer))}


def peer_rows(found: Mapping[str, Sequence[float]], turn: int) -> tuple[Row, ...]:
    """Returns a row for each peer against ours, and against our windows where they were measured."""
    peers = [name for name in found if name not in (OURS, WINDOW, CAUSAL, LOCAL)]
    pairs = [(name, name, OURS) for name in peers]
    pairs += [(f"{name} / {WINDOW}", name, WINDOW) for name in peers if WINDOW in found]
    pairs += [(f"{LOCAL} / {CAUSAL}", LOCAL, CAUSAL)] if LOCAL in found else []
    rows = [
        compare_times(name, found[mine], over=found[peer], under=found[mine], calls=turn) for name, peer, mine in pairs
    ]
    return (*rows, *(Row(name, note=peer.missing) for name, peer in PEERS.items() if peer.missing))


def peak_sections(request: Request) -> Iterator[Section]:
    """Yields a table of the share of the machine's speed that a training step reaches, at every size."""
    rows = []
    for size in SIZES:
        work = request.work(size)
        ours, training = our_training(work)
        a, b = torch.randn(PRODUCT, PRODUCT), torch.randn(PRODUCT, PRODUCT)
        found = request.measure({OURS: training, "mm": lambda a=a, b=b: torch.mm(a, b)}, seconds=size.seconds / 3)
        rows.append(peak_row(size.name, found, work, work.flops(ours)))
    text = f"FLOPs of the step (3 forward passes) / time, over those of torch.mm of {PRODUCT} x {PRODUCT} beside it"
    yield Section("Share of the matrix-product peak, one thread", "share", text, tuple(rows))


def peak_row(name: str, found: Mapping[str, Sequence[float]], work: Work, flops: Sequence[int]) -> Row:
    """Returns the row of one size: each turn's FLOPs per second, over those of the product measured in the same
    round. The first turn is the warm-up."""
    turns = [sum(flops[i : i + work.turn]) for i in range(work.turn, len(flops), work.turn)]
    over = [n / t for n, t in zip(turns, found[OURS], strict=False)]
    under = [2 * PRODUCT**3 / t for t in found["mm"]]
    row = compare_times(name, found[OURS], over=over, under=under, calls=work.turn)
    return replace(row, name=f"{name}: {statistics.median(under) / 1e9:.0f} GFLOP/s at the peak")


def batch_sections(request: Request) -> Iterator[Section]:
    """Yields the comparison of batches padded to the longest sequence there is with those of similar length."""
    size = SIZES[0]
    sides = {pad: our_training(request.work(size, f"pad={pad}"))[1] for pad in ("batch", "max")}
    found = request.measure(sides, seconds=10)
    row = compare_times(size.name, found["batch"], over=found["max"], under=found["batch"], calls=size.turn)
    text = "batches padded to data.max_len (pad=max) against batches of similar length (pad=batch), both ours"
    yield Section("Training step by the kind of batches", "max / batch", text, (row,))


def recording_sections(request: Request) -> Iterator[Section]:
    """Yields the comparison of whole trainings with a record of the layers and without, at two depths."""
    loaded, rows = load_words(request.words), []
    for depth in (2, 8):
        c = grid.parse_grid([*request.words, f"depth={depth}", "seeds=1"]).configs[0]
        sides = {str(on): partial(train_whole, replace(c, probes=on), loaded) for on in (False, True)}
        found = request.measure(sides, rounds=request.rounds or 2, warm=False)
        off = found["False"]
        rows.append(compare_times(f"depth {depth}", off, over=found["True"], under=off))
    text = "a whole default training with probes=true against one with probes=false; 1.00: recording is free"
    yield Section("Recording of the layers", "on / off", text, tuple(rows))


def train_whole(c: Config, loaded: Loaded) -> Training:
    """Trains a run to its end, as the worker of a sweep does."""
    training = Training(build_for(c, loaded), loaded, c, layer_statistics)
    while not training.finished:
        training.advance()
    return training


def accuracy_sections(request: Request) -> Iterator[Section]:
    """Yields the test accuracies of ours and of `nn.TransformerEncoder`, each trained as its users train it."""
    loaded, rows = load_words(request.words), []
    for c in grid.parse_grid([*request.words, "depth=2", "epochs=4", "seeds=2"]).configs:
        ours = train_whole(replace(c, probes=False), loaded).result().test_acc_end
        theirs = train_encoder(c, loaded)["test_acc_end"]
        rows.append(Row(f"seed {c.seed}", note=f"ours {ours:.3f}, nn.TransformerEncoder {theirs:.3f}"))
    text = f"depth 2, 4 epochs, {len(loaded.test)} test sequences; ours as in a run, the peer as in encoder_script"
    yield Section("Test accuracy", "", text, tuple(rows))


SECTIONS: Mapping[str, Callable[[Request], Iterable[Section]]] = {
    "peers": peer_sections,
    "peak": peak_sections,
    "encodings": lambda request: encoding_sections(request.words, request.measure),
    "kinds": lambda request: kind_sections(request.measure),
    "batches": batch_sections,
    "recording": recording_sections,
    "accuracy": accuracy_sections,
    "kernels": lambda request: kernel_sections(request.measure),
    "sweep": lambda request: [sweep_section(request.words, request.rounds)],
}


def parse_words(words: Sequence[str] | None = None) -> tuple[list[str], Request]:
    """Parses the command line; returns the names of the sections and the request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="sections, separated by commas")
    parser.add_argument("--whole", action="store_true", help="the sweep too")
    parser.add_argument("--rounds", type=int, default=0, help=f"rounds of a table, 1 to {MOST}; 0: chosen by time")
    parser.add_argument("overrides", nargs="*", help="settings of the data, for example data=csv data.path=FILE")
    given = parser.parse_intermixed_args(words)
    names = [n.strip() for n in given.only.split(",") if n.strip()] or [n for n in SECTIONS if n != "sweep"]
    names += ["sweep"] if given.whole and "sweep" not in names else []
    if unknown := [n for n in names if n not in SECTIONS]:
        parser.error(f"--only {','.join(unknown)}: no such section; choose from {', '.join(SECTIONS)}")
    if not 0 <= given.rounds <= MOST:
        parser.error(f"--rounds {given.rounds}: 1 to {MOST}, or 0 to choose by time")
    measure = partial(measure_turns, rounds=given.rounds)
    return names, Request(tuple(given.overrides), measure, given.rounds)


def measure_ratios(words: Sequence[str] | None = None) -> None:
    """Measures the sections that the words ask for and prints their tables: the command `make bench`."""
    names, request = parse_words(words)
    torch.set_num_threads(1)
    out = Console(width=WIDTH, markup=False, highlight=False)
    out.print(
        f"one thread, torch {torch.__version__}, {platform.machine()}, {' '.join(request.words) or 'data=subjects'}"
    )
    for name in names:
        for section in SECTIONS[name](request):
            out.print(build_table(section))


if __name__ == "__main__":
    measure_ratios()
