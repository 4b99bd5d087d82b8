"""Training steps of each position encoding against none, and of each kind of attention against full attention."""

from collections.abc import Callable, Mapping, Sequence

import torch

from stackcli.common import registry
from stackcli.data.base import Loaded
from stackcli.experiment.speed_measurement import Row, Run, Section, compare_times, measure_turns
from stackcli.experiment.speed_sides import Work, load_words, our_training, random_loaded, with_trees
from stackcli.model.build import build_pattern
from stackcli.model.compatibility import try_parts

SHORT, LONG = 512, 4096  # tokens
KERNELS: Mapping[str, str] = {"explicit": "the explicit kernel", "auto": "the fastest kernel of each"}


def encoding_sections(
    words: Sequence[str], measure: Callable[..., dict[str, list[float]]] = measure_turns
) -> list[Section]:
    """Returns the comparison of every encoding with `pe=none`, on the data of `words` and on 512 tokens."""
    sections = []
    for size, own, batch, turn in (
        ("batch 32, the data", None, (), 4),
        (f"batch 4, {SHORT} tokens", SHORT, ("batch=4",), 1),
    ):
        loaded = load_words(tuple(words)) if own is None else random_loaded(own)
        for kernel, said in KERNELS.items():
            typed = (*(words if own is None else ()), *batch, f"kernel={kernel}")
            rows = part_rows("pe", "none", typed, loaded, turn=turn, measure=measure)
            title = f"Training step of each position encoding, {size}, dim 64, depth 2"
            sections.append(Section(title, "/ pe=none", f"against pe=none, on {said}; above 1: slower", rows))
    return sections


def kind_sections(measure: Callable[..., dict[str, list[float]]] = measure_turns) -> list[Section]:
    """Returns the comparison of every kind of attention with `attention=full`: at 512 tokens, and at 4096 those that
    compute fewer scores than full attention."""
    sections = []
    for length, batch in ((SHORT, 4), (LONG, 1)):
        typed = (f"batch={batch}", "pe=learned")
        rows = part_rows(
            "attention", "full", typed, random_loaded(length), turn=1, measure=measure, cheap=length > SHORT
        )
        title = f"Training step of each kind of attention, batch {batch}, {length} tokens, dim 64, depth 2"
        sections.append(Section(title, "/ full", "against attention=full; above 1: slower", rows))
    return sections


def part_rows(
    group: str,
    baseline: str,
    words: Sequence[str],
    loaded: Loaded,
    *,
    turn: int,
    measure: Callable[..., dict[str, list[float]]] = measure_turns,
    cheap: bool = False,
) -> tuple[Row, ...]:
    """Returns a row for each part of a group: the time of a training step, and its ratio to that of the baseline.

    A combination that is refused is named with the reason. cheap: leaves out the kinds that compute all scores.
    """
    names = [baseline, *(name for name in registry.part_names(group) if name != baseline)]
    sides: dict[str, Run] = {}
    notes: dict[str, str] = {}
    for name in names:
        try:
            side = part_side(group, name, words, loaded, turn=turn, cheap=cheap and name != baseline)
        except ValueError as error:
            reason, _, _ = str(error).partition("\n")
            notes[name] = f"refused: {reason}"
            continue
        if side is None:
            notes[name] = "computes all scores; left out"
        else:
            sides[name] = side
    found = measure(sides)
    base = found[baseline]
    rows = (compare_times(f"{group}={n}", times, over=times, under=base, calls=turn) for n, times in found.items())
    return (*rows, *(Row(f"{group}={name}", note=note) for name, note in notes.items()))


def part_side(group: str, name: str, words: Sequence[str], loaded: Loaded, *, turn: int, cheap: bool) -> Run | None:
    """Returns the training of a turn with this part; None if `cheap` and it computes all scores. Raises ValueError for
    a combination that is refused."""
    needs_tree = group == "pe" and registry.load_part("pe", name).needs_tree
    if needs_tree:
        loaded = with_trees(loaded)
    work = Work.of((*words, f"{group}={name}"), loaded, turn=turn)
    try_parts(work.config)
    if cheap and not computes_fewer_scores(work):
        return None
    torch.manual_seed(0)
    return our_training(work)[1]


def computes_fewer_scores(work: Work) -> bool:
    """Whether the kind of attention computes fewer scores than there are pairs of tokens, or none."""
    pattern = build_pattern(work.config, 1, work.loaded.max_len)
    return not pattern.scored or pattern.sizes(work.loaded.max_len, work.config.causal) is not None
