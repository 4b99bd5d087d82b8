"""Which attention kernel a block uses with `kernel=auto`: that of the faster training step, by a recorded measurement.

It is decided once for a run, from its settings and the length of its training sequences, and never by a measurement
while it runs: so the same run uses the same kernel, and gives the same bits, on every machine.
"""

import math
from collections.abc import Mapping

import numpy as np

from stackcli.attention.base import Pattern
from stackcli.config.settings import Config
from stackcli.data._rows import Rows
from stackcli.data.base import Loaded
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import PositionEncoding

EXPLICIT_BELOW: Mapping[str, float] = {
    "no bias": 0,
    "bias": 0,
    "sink": 64,
    "pieces": 0,
    "dropout": math.inf,
}
"""What attention computes -> the length in tokens below which a training step is faster with the explicit kernel. 0:
never; inf: always. Measured on one thread of a CPU by `make bench ARGS="--only kernels"`. With attention dropout
PyTorch's fused function for a CPU writes out all scores, and is slower than the explicit kernel at every length."""


def kind_of_work(config: Config, encoding: PositionEncoding, pattern: Pattern, length: int) -> str:
    """Returns the key of `EXPLICIT_BELOW` for a block of layers with this encoding and kind of attention."""
    if config.attention_dropout:
        return "dropout"
    if pattern.sink() is not None:
        return "sink"
    if pattern.sizes(length, config.causal) is not None:
        return "pieces"
    return "no bias" if type(encoding).bias is PositionEncoding.bias else "bias"


def name_kernel(config: Config, encoding: PositionEncoding, pattern: Pattern, length: int) -> str:
    """Returns the kernel of a block for training sequences of `length` tokens: fused, explicit, or flex if it is asked
    for. Only on a CPU is the explicit kernel chosen where the fused one could be used: elsewhere none was measured."""
    if config.kernel == "flex":
        return "flex"
    if config.kernel == "explicit" or not (encoding.fused and pattern.fused):
        return "explicit"
    if config.device != "cpu" or not pattern.scored:
        return "fused"
    return "explicit" if length < EXPLICIT_BELOW[kind_of_work(config, encoding, pattern, length)] else "fused"


def choose_kernels(model: StackedAttention, config: Config, length: int) -> None:
    """Sets the kernel of every block, for training sequences of `length` tokens."""
    for block in model.stack:
        kernel = name_kernel(config, block.own or model.pe, block.attention.pattern, length)
        block.attention.explicit = kernel == "explicit"


def training_length(config: Config, loaded: Loaded) -> int:
    """Returns the length for which the kernels of a run are chosen: the median of its training sequences, in tokens; of
    all, if they are padded to the longest sequence there may be."""
    if config.pad == "max":
        return loaded.max_len
    return int(np.median(Rows.of(loaded.train.tokens).lengths))
