"""What several tests of the model share: sizes, PyTorch's own stack, shared layers, and short trainings."""

import io
from typing import Any

import torch
from torch import Tensor, nn

from stackcli.diagnostics import layer_statistics
from stackcli.model import blocks, build
from stackcli.model import stack as core
from stackcli.training.loop import Training
from stackcli.training.run_result import weights_hash
from tests.factory import config, stack, tiny
from tests.training.examples import finish

PES = ("none", "learned", "sinusoidal", "relative")
KERNELS = ("auto", "explicit")
NAMES = {  # a parameter of a block -> the same parameter of `nn.TransformerEncoderLayer`
    "attention.qkv.weight": "self_attn.in_proj_weight",
    "attention.qkv.bias": "self_attn.in_proj_bias",
    "attention.out.weight": "self_attn.out_proj.weight",
    "attention.out.bias": "self_attn.out_proj.bias",
    "feed.ff1.weight": "linear1.weight",
    "feed.ff1.bias": "linear1.bias",
    "feed.ff2.weight": "linear2.weight",
    "feed.ff2.bias": "linear2.bias",
    "join.norm.weight": "norm1.weight",
    "join.norm.bias": "norm1.bias",
    "feed_join.norm.weight": "norm2.weight",
    "feed_join.norm.bias": "norm2.bias",
}


def gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def feed_of(block: blocks.Block) -> blocks.FeedForward:
    """The feed-forward network of a block that has one."""
    assert block.feed is not None
    return block.feed


def pairs(own: blocks.Block, other: nn.Module) -> list[tuple[nn.Parameter, nn.Parameter]]:
    """The same parameter of a block and of PyTorch's layer, gains and offsets of the two norms included."""
    ours, theirs = dict(own.named_parameters()), dict(other.named_parameters())
    return [(ours[a], theirs[b]) for a, b in NAMES.items()]


def reference(model: core.StackedAttention, *, before: bool, dtype: torch.dtype) -> nn.TransformerEncoder:
    """`nn.TransformerEncoder` with the same weights."""
    dim, hidden = 16, 32
    layer = nn.TransformerEncoderLayer(dim, 2, hidden, 0.0, batch_first=True, norm_first=before)
    closing = nn.LayerNorm(dim) if before else None
    theirs = nn.TransformerEncoder(layer, 2, closing, enable_nested_tensor=False).to(dtype)
    for block, other in zip(model.stack, theirs.layers, strict=True):
        for ours, parameter in pairs(block, other):
            parameter.data.copy_(ours.data)
    return theirs.eval()


def copies(shared: core.StackedAttention, **changes: Any) -> core.StackedAttention:
    """A stack whose layers have weights of their own, equal to the shared ones."""
    model = stack(**changes)
    model.load_state_dict(shared.state_dict())
    return model


def training(**changes: Any) -> Training:
    small = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 8, "epochs": 2, "depth": 3}
    c, data = config(**{**small, **changes}), tiny()
    return Training(build.build(c, **data.sizes), data, c, layer_statistics)


def check_resumes(**changes: Any) -> Training:
    """Checks that a training stopped at step 7 and restored from a file goes on bit for bit; returns a training that
    was never stopped."""
    whole, first = training(**changes), training(**changes)
    losses = finish(whole)
    for _ in range(7):
        first.advance()
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    torch.manual_seed(999)
    second = training(**changes)
    second.restore(torch.load(buffer, weights_only=True))
    assert finish(second) == losses[7:] and len(losses) == 20
    assert weights_hash(second.model) == weights_hash(whole.model) and second.result() == whole.result()
    return whole
