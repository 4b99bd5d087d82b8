"""What can be counted of a training step without taking it: FLOPs, scores, and about the memory that it needs."""

import math
from typing import Any, NamedTuple

from stackcli.attention.base import Pattern
from stackcli.config.settings import Config
from stackcli.config.validation import attention_bytes, stack_bytes
from stackcli.model import cost
from stackcli.model.build import build_pattern, makers
from stackcli.pe.base import PositionEncoding, Work

CLASSES = 4  # of the answers
COUNTED = 4096  # tokens up to which every kind can be counted at once
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
    """Returns the scores for which memory is taken when pieces are cut: none if all pairs are computed anyway. With
    `small`, extrapolated from that length and its half."""
    if type(build_pattern(point.config, 1, point.max_len)).cut is Pattern.cut:
        return 0.0
    if not small:
        return float(cost.attention_work(point.config, length).scores)
    last, before = _scores(point, small), _scores(point, small // 2)
    return float(last * (length / small) ** math.log2(last / before))


def count_exactly(point: Point) -> dict[str, Any]:
    """Returns the numbers of `count_costs`, none of them extrapolated."""
    config, n = point.config, point.length
    make = makers(config, point.max_len)
    encodings = [make.encoding(layer) for layer in range(1, len(config.kinds("pe")) + 1)]
    encoding, pattern = encodings[0], build_pattern(config, 1, point.max_len)
    work = cost.attention_work(config, n)
    flops = cost.closed_flops(config, encodings, length=n, out=CLASSES, every=False)
    fused = config.kernel == "auto" and encoding.fused and pattern.fused
    return {
        "flops": config.batch * flops,
        "score_bytes": float(attention_bytes(config, n, cost.all_scores(config, n))) if pattern.scored else math.nan,
        "kernel": "fused" if fused else "explicit",
        "needed": needed_bytes(point, encoding, pattern, work, fused=fused),
    }


def needed_bytes(point: Point, encoding: PositionEncoding, pattern: Pattern, work: Work, *, fused: bool) -> float:
    """Returns about the bytes that a step takes: weights, optimiser and activations; the rows that a sparse kind
    gathers; and scores, or the masks that the fused kernel is given in their place, a float and a truth value each."""
    config = point.config
    plain = {key: getattr(config, key) for key in ("depth", "dim", "ff", "batch")}
    tables = 16 * sum(p.numel() for p in (*encoding.parameters(), *pattern.parameters()))
    each = 4 * config.batch * config.dim * config.depth  # bytes of a vector for each row in every block
    rest = stack_bytes(plain, point.length) + tables
    if not pattern.scored:
        return rest + 6 * point.length * each
    rest += 0 if work.dense else (work.queries + 2 * work.keys) * each
    biased = type(encoding).bias is not PositionEncoding.bias or pattern.sink() is not None
    if not fused:  # so many numbers for each pair are kept in every block, and two more in the block at work
        kept = 1 + biased + 2 * (not pattern.fused)
        return rest + (kept * config.depth + 2) * 4 * config.batch * config.heads * work.scores
    masked = biased or not work.dense or type(pattern).sees is not Pattern.sees
    heads = config.heads if biased else 1
    return rest + 5 * work.scores * config.batch * config.depth * heads * masked
