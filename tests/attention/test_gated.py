"""A sigmoid gate on the output of every head."""

import torch

from stackcli.attention.gated import Gated
from stackcli.model.attention import Attention
from tests.factory import stack, tokens


def attention(kind: str) -> Attention:
    return stack(attention=kind, depth=1, pe="none").stack[0].attention


def test_each_number_before_the_output_projection_is_multiplied_by_its_sigmoid() -> None:
    gated, full = attention("gated"), attention("full")
    assert isinstance(gated.pattern, Gated)
    full.load_state_dict({k: v for k, v in gated.state_dict().items() if not k.startswith("pattern")})
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    model = stack(attention="full", depth=1, pe="none")
    _, ctx = model.enter(tokens(2, 7), None, None, None)
    inner: list[torch.Tensor] = []
    handle = full.out.register_forward_pre_hook(lambda module, inputs: inner.append(inputs[0]))
    full(x, ctx, model.pe)
    handle.remove()
    weight, bias = gated.pattern.map.weight, gated.pattern.map.bias
    gate = 1 / (1 + torch.exp(-(torch.einsum("btd,ed->bte", x, weight) + bias)))
    expected = (inner[0] * gate) @ full.out.weight.T + full.out.bias
    assert (gated(x, ctx, model.pe) - expected).abs().max() < 1e-12


def test_layers_draw_gates_of_their_own() -> None:
    first, second = (block.attention.pattern for block in stack(attention="gated", depth=2).stack)
    assert isinstance(first, Gated) and isinstance(second, Gated)
    assert (first.map.weight - second.map.weight).abs().max() > 0.01
