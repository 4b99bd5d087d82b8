"""The records that runs write and other modules read. Standard library only.

Losses are nats per example, or per scored token in tasks that label every token; norms are taken before clipping; times
are milliseconds. The chosen weights are those with the lowest validation loss (`_best`); `_end` is the last step. A
number that was not measured is None. NaN and infinities are written as strings, so that every file is strict JSON.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

POSITIONS = 8  # classes of the position probe, so that chance is 1/8
Tensor = str  # q, k, v, o, ff1, ff2: the linear maps of a block; block: its output; head0, head1, ...: attention heads


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One evaluation of a run: the same weights on a training subset and on the validation part, both in eval mode."""

    step: int
    epoch: float
    lr: float
    train_loss: float
    train_acc: float
    val_loss: float
    val_acc: float


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """Measurements of one layer at one step, on the fixed probe batch."""

    step: int
    layer: int  # 1 is the block next to the input
    tensor: Tensor
    g1: float | None = None  # L2 norm of the weight's gradient
    g2: float | None = None  # g1 / sqrt(number of weights)
    g3: float | None = None  # alignment-free norm, sqrt(sum_t |delta_t|^2 |a_t|^2)
    align: float | None = None  # g1 / g3
    g4: float | None = None  # L2 norm of the gradient at the block's output
    update: float | None = None  # |change of the weight in this step, without decay| / |weight|
    decay: float | None = None  # |change by weight decay| / |weight|
    ratio_qv: float | None = None  # |gradient of Q| / |gradient of V|
    cosine: float | None = None  # mean cosine of two real tokens' outputs in the same sequence
    rank: float | None = None  # |X - mean token| / |X|, averaged over sequences
    signal: float | None = None  # root mean square of the block's output over real tokens
    entropy: float | None = None  # entropy of a head's attention weights, nats, mean over real queries
    even: float | None = None  # entropy of uniform attention over all keys that a query may see, nats


@dataclass(frozen=True, kw_only=True)
class StackRow:
    """What one layer contributes to the trained stack: chosen weights, test part."""

    layer: int  # 0 is the input of block 1
    probe_acc: float | None = None  # test accuracy of a linear classifier on this layer's output
    without_acc: float | None = None  # test accuracy of the stack without this layer
    without_loss: float | None = None
    cka: tuple[float, ...] = ()  # similarity to the outputs of layers 0, 1, ..., L
    lens_acc: float | None = None  # test accuracy of the stack's own classifier on this layer's output (logit lens)
    lens_loss: float | None = None
    position_acc: float | None = None  # test accuracy of a linear classifier of a token's position, 0 .. POSITIONS - 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished run. `status` is done, or diverged; then `diverged_step` is the first step with a non-finite loss."""

    status: str
    diverged_step: int | None = None
    step_end: int
    step_best: int | None = None
    stopped_early: bool = False
    train_loss_end: float | None = None
    train_acc_end: float | None = None
    val_loss_end: float | None = None
    val_acc_end: float | None = None
    test_loss_end: float | None = None
    test_acc_end: float | None = None
    train_loss: float | None = None
    train_acc: float | None = None
    val_loss: float | None = None
    val_acc: float | None = None
    test_loss: float | None = None
    test_acc: float | None = None
    test_source: float | None = None  # loss of the source that generated the data, on the test items, if known
    test_excess: float | None = None  # test_loss - test_source
    test_acc_shuffled: float | None = None  # chosen weights, the tokens of each test item in random order
    test_acc_reversed: float | None = None  # last token first
    test_acc_shifted: float | None = None  # tokens at the last positions that the encoding has
    test_right: str = ""  # 1 (correct) or 0 for each test item, chosen weights; "" in tasks that label every token
    macro_f1: float | None = None
    gap_end: float | None = None  # val_loss_end - train_loss_end
    gap_best: float | None = None  # val_loss - train_loss
    acc_gap_end: float | None = None  # train_acc_end - val_acc_end
    acc_gap_best: float | None = None
    grad_ratio_init: float | None = None  # g1 of ff2 (o if ff=0), block 1 over block L, step 0
    grad_ratio_end: float | None = None
    free_ratio_init: float | None = None  # the same for g3, the alignment-free norm
    free_ratio_end: float | None = None
    params: int = 0
    params_embedding: int = 0  # token and position tables
    flops: int = 0  # of one forward pass of one sequence of `flops_len` tokens
    flops_len: int = 0
    kernel_used: str = ""  # fused, explicit or flex; several where layers differ
    compiled: bool = False  # whether the blocks were compiled
    classes: tuple[str, ...] = ()
    acc_by_class: tuple[float, ...] = ()  # recall of each class, chosen weights, test part
    confusion: tuple[tuple[int, ...], ...] = ()  # rows: true class; columns: predicted class
    # test length, loss, accuracy, loss of the data's source (NaN: not known); NaN beyond the reach of the encoding
    by_length: tuple[tuple[int, float, float, float], ...] = ()
    acc_by_output: tuple[float, ...] = ()  # if a token has several labels
    weights_hash: str = ""  # sha256 of the last step's weights


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a data set: sizes, class shares, baselines. Printed under every table."""

    name: str
    fingerprint: str  # sha256 of the content
    text: bool
    sizes: Mapping[str, int]  # train, val, test
    shares: Mapping[str, Mapping[str, float]]  # part -> class -> share
    vocab: int
    classes: tuple[str, ...]
    majority_acc: float  # test accuracy of always predicting the most frequent training class
    tfidf_acc: float | None  # test accuracy of TF-IDF + logistic regression; None if the data are not text
    tfidf_right: str = ""  # 1 or 0 for each item of the test part, as Result.test_right
    notices: tuple[str, ...] = field(default=())
    every: bool = False  # every token is labelled, not the sequence
    causal: bool = False  # the data need a causal model
    tree: bool = False  # the data carry trees
    treeless: str = ""  # why data of a kind that can carry trees carry none
    max_len: int = 0  # positions of the longest input
    vectors: int | None = None  # numbers in each given word vector
    entropy: float | None = None  # lowest mean loss that any model can reach, nats; None if not known
    unknown: bool = False  # the data have a word for unknown words
    example: str = ""  # a short text of the test part; empty if the data are not text


def dumps(value: Any, *, ascii_only: bool = False, indent: int | None = None) -> str:
    """Returns strict JSON, on one line without `indent`; non-finite floats become the strings "NaN", "Infinity" and
    "-Infinity". With `ascii_only`, other characters are written as \\uXXXX, which any terminal can show."""
    return json.dumps(_strict(value), allow_nan=False, ensure_ascii=ascii_only, sort_keys=False, indent=indent)


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(float(value))]
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value


def loads(text: str) -> Any:
    """Parses strict JSON; non-finite numbers stay strings. Raises ValueError for a bare NaN or Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON number")

    return json.loads(text, parse_constant=refuse)


def parse_number(value: Any) -> Any:
    """Turns the three strings for non-finite numbers back into floats, and returns any other value unchanged."""
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def json_lines(rows: Iterable[StepRow | LayerRow | StackRow]) -> Iterator[str]:
    """Yields rows as JSON lines, without the fields that are None."""
    for row in rows:
        yield dumps({key: value for key, value in asdict(row).items() if value is not None}) + "\n"
