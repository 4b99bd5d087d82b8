"""No normalisation: the identity."""

import torch

from stackcli.norm.none import NoNorm
from stackcli.pe.base import Context
from tests.factory import padding, stack, tokens


def test_it_returns_its_input_and_has_no_parameters() -> None:
    norm, x = NoNorm(dim=4), torch.randn(2, 3, 4) * 1e6
    assert norm(x) is x and norm(x, padding([3, 1], 3)) is x
    assert list(norm.state_dict()) == []


def test_a_pre_stack_without_it_is_the_sum_of_its_branches_and_is_not_normalised_at_the_end() -> None:
    model, ctx = stack(norm="none", residual="pre", pe="none", depth=3), Context(torch.arange(9))
    x = model.embedding.weight[tokens()]
    for block in model.stack:
        x = x + block.attention(x, ctx, model.pe)
        assert block.feed is not None
        x = x + block.feed(x)
    expected = x.mean(1) @ model.head.weight.T + model.head.bias
    assert (model(tokens()) - expected).abs().max() < 1e-12
    assert not any("norm" in name or "closing" in name for name, _ in model.named_parameters())


def test_with_it_the_stream_keeps_its_scale() -> None:
    model, other = stack(norm="none", ff=0.0, pe="none"), stack(norm="layer", ff=0.0, pe="none")
    before = [model(tokens()).detach(), other(tokens()).detach()]
    with torch.no_grad():
        for one in (model, other):
            one.embedding.weight.mul_(1000.0)
    after = [model(tokens()).detach(), other(tokens()).detach()]
    changes = [float((new - old).abs().max()) for new, old in zip(after, before, strict=True)]
    assert changes[0] > 10 and changes[1] < 10
