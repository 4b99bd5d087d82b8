"""What a device can do beside plain float32: mixed precision, compiled blocks. Nothing of it is in the model's text."""

from contextlib import AbstractContextManager

import torch

from stackcli.config.settings import Config
from stackcli.model.stack import StackedAttention


def mixed_precision(config: Config) -> AbstractContextManager[object]:
    """Returns the context in which a forward pass runs.

    With `precision=bf16` matrix products and attention are computed in bfloat16, sums, normalisations and the loss in
    float32; weights and gradients stay float32. Micikevicius et al. 2018, arXiv:1710.03740, without scaling of the
    loss, which bfloat16 does not need.
    """
    return torch.autocast(config.device, dtype=torch.bfloat16, enabled=config.precision == "bf16")


def compile_blocks(model: StackedAttention, config: Config) -> None:
    """Compiles every block with `torch.compile` if `compile=true`, once for all lengths.

    It takes the place of the fused training pass, and needs a C++ compiler on a CPU.
    """
    if not config.compile:
        return
    for block in model.stack:
        block.fused = False
        block.compile(dynamic=True)
