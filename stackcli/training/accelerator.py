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


LONG_RUN = 200_000  # training steps x blocks from which on compiling is expected to pay on CUDA


def is_compiled(config: Config, steps: int) -> bool:
    """Returns whether the blocks of a run of so many steps are compiled: as `compile` says, or with `compile=auto` if
    it is expected to pay.

    On a CPU it does not: a compiled step was measured to be slower. On CUDA it is expected to pay from LONG_RUN steps x
    blocks on, which is an estimate and not a measurement: the step of a small stack takes as long as the launches of
    its operations, about a hundred for each block, and compiling is taken to save a third of that, 0.3 ms, and to take
    a minute at any depth. On a CPU it took 24 seconds, and 8 with what another process had left in the cache.

    The cache is PyTorch's own, on by default: the folder TORCHINDUCTOR_CACHE_DIR, else torchinductor_USER in the folder
    of temporary files. So the runs of a sweep share it, with those of other sweeps on the same machine.
    """
    if config.compile == "auto":
        return config.device == "cuda" and steps * config.depth >= LONG_RUN
    return config.compile


def compile_blocks(model: StackedAttention, config: Config, steps: int) -> None:
    """Compiles every block with `torch.compile`, once for all lengths, where `is_compiled` says so for a run of so many
    steps.

    It takes the place of the fused training pass, and needs a C++ compiler on a CPU.
    """
    if not is_compiled(config, steps):
        return
    for block in model.stack:
        block.fused = False
        block.compile(dynamic=True)
