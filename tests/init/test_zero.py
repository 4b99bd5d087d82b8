"""Branches whose last map is zero: a stack starts as if it had no branches."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.common.seeding import torch_at
from stackcli.model.build import build
from stackcli.model.compatibility import try_parts
from stackcli.model.stack import StackedAttention
from tests.factory import config, padding, stack, tokens


def grads(model: StackedAttention, x: Tensor) -> dict[str, Tensor]:
    """Returns the gradient of each parameter by name."""
    loss = F.cross_entropy(model(x), torch.tensor([0, 1, 2]))
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


@pytest.mark.parametrize("norm", ["layer", "rms", "batch", "none"])
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_every_block_is_the_identity_if_the_stream_is_not_normalised(norm: str, ff: float) -> None:
    model, seen = stack(init="zero", residual="pre", norm=norm, ff=ff, depth=4), []
    for block in model.stack:
        block.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    model(tokens(), padding([9, 5, 1], 9))
    assert len(seen) == 4 and all(torch.equal(before, after) for before, after in seen)
    assert seen[0][0].std() > 0


def test_blocks_pass_the_gradient_on_unchanged_and_only_last_maps_of_branches_have_one() -> None:
    model, x = stack(init="zero", residual="pre", depth=3), tokens()
    gradients = grads(model, x)
    for i in range(3):
        attention, feed = f"blocks.{i}.attention", f"blocks.{i}.feed"
        ends = [f"{end}.{kind}" for end in (f"{attention}.out", f"{feed}.ff2") for kind in ("weight", "bias")]
        assert all(gradients[end].any() for end in ends)
        assert not gradients[f"{attention}.qkv.weight"].any() and not gradients[f"{feed}.ff1.weight"].any()
    shallow = grads(stack(init="zero", residual="pre", depth=1), x)
    assert (gradients["embedding.weight"] - shallow["embedding.weight"]).abs().max() < 1e-12


def test_the_last_maps_are_zero_and_the_others_equal_those_of_nn_linear() -> None:
    for layer, role, weight, bias in stack(init="zero", seed=4).maps():
        if role in ("o", "ff2"):
            assert not weight.any() and not bias.any()
            continue
        theirs = nn.Linear(weight.shape[1], weight.shape[0])
        with torch_at(4, layer, role):
            nn.init.kaiming_uniform_(theirs.weight, a=5**0.5)
        with torch_at(4, layer, role, "bias"):
            nn.init.uniform_(theirs.bias, -(weight.shape[1] ** -0.5), weight.shape[1] ** -0.5)
        assert (weight - theirs.weight).abs().max() < 1e-7 and (bias - theirs.bias).abs().max() < 1e-7, (layer, role)


def test_token_vectors_have_the_given_standard_deviation() -> None:
    table = build(config(init="zero", embed_std=0.3), vocab=4000, classes=2, max_len=4).embedding.weight.detach()
    assert abs(float(table.std()) / 0.3 - 1) < 0.01


def test_zero_branches_with_zero_gates_are_refused_because_nothing_could_train() -> None:
    both = config(init="zero", residual="rezero", norm="none")
    with pytest.raises(ValueError, match="residual=rezero and init=zero"):
        try_parts(both)
    model = stack(init="zero", residual="rezero", norm="none")
    inside = [grad for name, grad in grads(model, tokens()).items() if name.startswith("blocks.")]
    assert inside and not any(grad.any() for grad in inside)
