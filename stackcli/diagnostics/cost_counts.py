"""What can be counted of a training step without taking it: FLOPs, scores, and about the memory that it needs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn

from stackcli.attention.base import Pattern
from stackcli.config.settings import Config
from stackcli.config.validation import BYTES_A_WEIGHT, attention_bytes, longest_input, stack_bytes
from stackcli.model import cost
from stackcli.model.build import build_pattern, has_own, makers
from stackcli.model.flex import depends_on_offsets, has_bias
from stackcli.model.kernel_choice import name_kernel
from stackcli.pe.base import PositionEncoding, Work

CLASSES = 4  # of the answers
COUNTED = 4096  # tokens up to which every kind can be counted at once
CUDA_CONTEXT = 512 * 2**20  # bytes that a process takes of a CUDA device before its first tensor, about
MANY = 1e8  # scores of one sequence; counting more takes seconds


class Point(NamedTuple):
    """A stack, built for `max_len` positions, and the length at which it is measured, in tokens."""

    config: Config
    length: int
    max_len: int


def count_costs(point: Point) -> dict[str, Any]:
    """Returns closed forms: `flops` of a forward pass of the batch, `score_bytes` of scores and attention weights if
    all were kept (NaN for a kind without scores), the `kernel`, and `needed`, about the bytes that a step takes.

    A sparse kind is counted by cutting a sequence into its pieces. Where these would have more than MANY scores, the
    numbers are extrapolated from shorter sequences, by their growth between the two longest of these."""
    small = min(point.length, COUNTED)
    if _scores(point, small) * (point.length / small) ** 2 <= MANY or _scores(point, point.length, small) <= MANY:
        return count_exactly(point)
    last, before = (count_exactly(point._replace(length=length)) for length in (small, small // 2))
    out = dict(last)
    for name in ("flops", "score_bytes", "needed"):
        slope = math.log(last[name] / before[name]) / math.log(small / (small // 2))
        out[name] = last[name] * (point.length / small) ** slope
    return out


def _scores(point: Point, length: int, small: int = 0) -> float:
    """Returns the scores of a layer for which memory is taken when pieces are cut, the most of any layer: none where
    all pairs are computed anyway. With `small`, extrapolated from that length and its half."""
    if small:
        last, before = _scores(point, small), _scores(point, small // 2)
        return float(last * (length / small) ** math.log2(last / before))
    config, found = point.config, [0.0]
    for layer in range(1, min(len(config.kinds("attention")), config.depth) + 1):
        if type(build_pattern(config, layer, point.max_len)).cut is not Pattern.cut:
            found.append(float(cost.attention_work(config, length, layer).scores))
    return max(found)


class Layers(NamedTuple):
    """Layers with the same encoding and kind of attention: their number, their parts, what attention computes in
    each for one sequence and head, and its kernel."""

    number: int
    encoding: PositionEncoding
    pattern: Pattern
    work: Work
    kernel: str


def group_layers(point: Point) -> list[Layers]:
    """Returns the layers of a stack, those of equal parts together, in their order."""
    config, n = point.config, point.length
    make, period = makers(config, point.max_len), math.lcm(len(config.kinds("pe")), len(config.kinds("attention")))
    out = []
    for layer in range(1, min(period, config.depth) + 1):
        encoding, pattern = make.encoding(layer), build_pattern(config, layer, point.max_len)
        number, kernel = len(range(layer, config.depth + 1, period)), name_kernel(config, encoding, pattern, n)
        out.append(Layers(number, encoding, pattern, cost.attention_work(config, n, layer), kernel))
    return out


def count_exactly(point: Point) -> dict[str, Any]:
    """Returns the numbers of `count_costs`, none of them extrapolated."""
    config, n = point.config, point.length
    layers = group_layers(point)
    encodings = [group.encoding for group in layers[: len(config.kinds("pe"))]]
    flops = cost.closed_flops(config, encodings, length=n, out=CLASSES, every=False)
    scores = sum(group.number * group.work.scores for group in layers if group.pattern.scored)
    scored = any(group.pattern.scored for group in layers)
    return {
        "flops": config.batch * flops,
        "score_bytes": float(attention_bytes(config, n, scores)) if scored else math.nan,
        "kernel": ", ".join(dict.fromkeys(group.kernel for group in layers)),
        "needed": needed_bytes(point, layers),
    }


def needed_bytes(point: Point, layers: Sequence[Layers]) -> float:
    """Returns about the bytes that a step takes: weights, optimiser and activations of the stack, what attention keeps
    in every layer, and what it takes beside in the layer at work."""
    config = point.config
    plain = {key: getattr(config, key) for key in ("depth", "dim", "ff", "batch")}
    total = stack_bytes(plain, point.length)
    for group in layers:
        kept = kept_bytes(point, group) + recurrent_bytes(point, group.pattern)
        tables = sum(p.numel() for p in group.pattern.parameters())
        total += group.number * (kept + BYTES_A_WEIGHT * tables)
    named = dict(zip(config.kinds("pe"), layers, strict=False))
    for name, group in named.items():
        times = sum(config.kind("pe", i) == name for i in range(1, config.depth + 1)) if has_own(config, name) else 1
        total += times * BYTES_A_WEIGHT * sum(p.numel() for p in group.encoding.parameters())
    pair = 4 * config.batch * config.heads  # bytes of a number for each pair of tokens and head
    return total + max(2 * pair * g.work.scores * (g.pattern.scored and g.kernel == "explicit") for g in layers)


def kept_bytes(point: Point, group: Layers) -> float:
    """Returns about the bytes that attention keeps in one layer for the backward pass: the rows that a sparse kind
    gathers; and scores, or the masks that the fused kernel is given in their place, a float and a truth value each, or
    a bias for each pair that FlexAttention is given."""
    config, _, encoding, pattern, work, kernel = point.config, *group
    vector = 4 * config.batch * config.dim  # bytes of a vector for each row
    if not pattern.scored:
        return 6.0 * point.length * vector
    gathered = 0.0 if work.dense else (work.queries + 2 * work.keys) * vector
    biased = has_bias(encoding)
    if kernel == "explicit":
        numbers = 1 + biased + 2 * (not pattern.fused) + 2 * (config.attention_dropout > 0)
        return gathered + 4.0 * numbers * config.batch * config.heads * work.scores
    if kernel == "flex":
        return 4.0 * config.heads * point.length**2 * (biased and not depends_on_offsets(encoding))
    gathered += 0.0 if pattern.sink() is None else 3 * point.length * vector  # with one more dimension
    masked = biased or not work.dense or type(pattern).sees is not Pattern.sees
    heads = config.heads if biased else 1
    return gathered + 5.0 * config.batch * heads * work.scores * masked


def recurrent_bytes(point: Point, pattern: Pattern) -> float:
    """Returns about the bytes that recurrent units keep in one layer: nine numbers of each state, and what PyTorch
    keeps beside them of the operations of a token, measured at five sizes."""
    units = [module for module in pattern.modules() if isinstance(module, nn.GRU)]
    return float(sum(point.length * (14_000 + 9 * 4 * point.config.batch * unit.hidden_size) for unit in units))


def device_bytes(config: Config) -> float:
    """Returns about the bytes that a run takes of a CUDA device: its context, and what a step needs at the longest
    input that its data promise."""
    longest = longest_input(config)
    return CUDA_CONTEXT + float(count_costs(Point(config, longest, longest))["needed"])
