"""Training steps with the explicit attention kernel against the fused one, beside the table that `kernel=auto` uses."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from stackcli.common.memory import keep_freed_memory
from stackcli.data.base import Loaded
from stackcli.experiment.speed_measurement import Row, Run, Section, compare_times, measure_turns, quartiles
from stackcli.experiment.speed_sides import Work, our_training, random_loaded
from stackcli.model.kernel_choice import EXPLICIT_BELOW

LENGTHS = (8, 16, 32, 64, 128, 256, 512)
DIFFERENCE = 0.1  # share by which the kernel of the table may be slower than the other before it is named
SECONDS = 2.0  # of the rounds at one length
TOKENS = 1024  # of a turn and a sequence of the batch, at least: short steps are measured several at a time


class Case(NamedTuple):
    """What attention computes: the key of `EXPLICIT_BELOW`, and settings that make it so. shortest: tokens."""

    kind: str
    words: tuple[str, ...]
    shortest: int = 0


CASES: Mapping[str, Case] = {
    "no bias": Case("no bias", ("pe=none",)),
    "no bias, causal": Case("no bias", ("pe=none", "causal=true")),
    "bias": Case("bias", ("pe=alibi",)),
    "bias, causal": Case("bias", ("pe=alibi", "causal=true")),
    "sink": Case("sink", ("pe=none", "attention=sink")),
    "sink, causal": Case("sink", ("pe=none", "attention=sink", "causal=true")),
    "pieces": Case("pieces", ("pe=none", "attention=window", "attention.reach=16"), 256),
    "pieces, bias": Case("pieces", ("pe=alibi", "attention=window", "attention.reach=16"), 256),
    "dropout": Case("dropout", ("pe=none", "attention_dropout=0.1")),
    "dropout, bias": Case("dropout", ("pe=alibi", "attention_dropout=0.1")),
}
SIZE = ("batch=16", "dim=64", "heads=4", "depth=2", "pad=max")


def kernel_sections(measure: Callable[..., dict[str, list[float]]] = measure_turns) -> Iterator[Section]:
    """Yields a table for each kind of work that attention does, and a list of the entries of `EXPLICIT_BELOW` that the
    measurement contradicts. Freed memory is kept, as in every run; what is measured later in this process keeps it
    too."""
    keep_freed_memory()
    wrong: list[str] = []
    for name, case in CASES.items():
        rows = [kernel_row(case, length, measure) for length in LENGTHS if length >= case.shortest]
        wrong += [f"{name}, {row.name}" for row in rows if row.note]
        text = "batch 16, dim 64, depth 2, every second sequence padded; above 1: the fused kernel is faster"
        yield Section(f"Kernels of attention: {name}", "explicit / fused", text, tuple(rows))
    note = "; ".join(wrong) or "none"
    text = f"entries by which kernel=auto chooses a kernel that is slower by more than {DIFFERENCE:.0%}"
    yield Section("Kernels of attention: the recorded table", "", text, (Row("wrong", note=note),))


def kernel_row(case: Case, length: int, measure: Callable[..., dict[str, list[float]]]) -> Row:
    """Returns the row of one length; its note says where the recorded choice is wrong."""
    turn = max(1, TOKENS // length // 4)
    work = Work.of((*case.words, *SIZE), padded_loaded(length), turn=turn)
    found = measure({kernel: forced_training(work, kernel) for kernel in ("fused", "explicit")}, seconds=SECONDS)
    row = compare_times(f"{length} tokens", found["fused"], over=found["explicit"], under=found["fused"], calls=turn)
    return replace(row, note=judge_choice(case.kind, length, quartiles(row.ratios)[1]))


def judge_choice(kind: str, length: int, ratio: float) -> str:
    """Returns what is wrong with the recorded choice, given the time of the explicit over that of the fused kernel; ""
    where the chosen kernel is at most `DIFFERENCE` slower than the other."""
    explicit = length < EXPLICIT_BELOW[kind]
    slower = (ratio if explicit else 1 / ratio) - 1
    return f"kernel=auto chooses {'explicit' if explicit else 'fused'}" if slower > DIFFERENCE else ""


def forced_training(work: Work, kernel: str) -> Run:
    """Returns the training of a turn in which every block uses this kernel, whatever `kernel=auto` would choose."""
    model, run = our_training(work)
    for block in model.stack:
        block.attention.explicit = kernel == "explicit"
    return run


def padded_loaded(length: int) -> Loaded:
    """Returns random sequences of `length` tokens, of which every second one is an eighth shorter."""
    loaded = random_loaded(length)
    shorter = max(1, length // 8)
    tokens = tuple(row[: length - shorter * (i % 2)] for i, row in enumerate(loaded.train.tokens))
    return replace(loaded, train=replace(loaded.train, tokens=tokens))
