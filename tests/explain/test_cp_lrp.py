"""CP-LRP."""

import pytest
import torch
from torch import Tensor

from stackcli.explain.cp_lrp import CpLrp
from tests.explain.examples import texts


def relevance_layer_by_layer(x: Tensor, weights: Tensor, one: object) -> Tensor:
    """Relevance of the input of a stack of one post-LN block, from the classifier down, by the LRP-0 rule of each
    linear map: R_i = x_i sum over j of w_ji R_j / z_j, with z_j the map's output, bias included."""
    model = one.model  # type: ignore[attr-defined]
    block = model.stack[0]

    def back(inputs: Tensor, weight: Tensor, outputs: Tensor, relevance: Tensor) -> Tensor:
        return inputs * ((relevance / outputs) @ weight)

    def norm(module: torch.nn.LayerNorm, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output of a normalisation, and its matrix with a constant scale."""
        width = x.shape[-1]
        scale = 1 / (x.var(-1, unbiased=False, keepdim=True) + module.eps).sqrt()
        matrix = module.weight[:, None] * (torch.eye(width) - 1 / width).to(x) * scale[..., None]  # (T, D, D)
        return module(x), matrix

    def back_norm(inputs: Tensor, matrix: Tensor, outputs: Tensor, relevance: Tensor) -> Tensor:
        return inputs * torch.einsum("tj,tji->ti", relevance / outputs, matrix)

    T, H = x.shape[0], block.attention.heads
    v = block.attention.qkv(x).chunk(3, -1)[2]
    heads = v.view(T, H, -1)
    y = torch.einsum("hij,jhe->ihe", weights, heads).reshape(T, -1)
    o = block.attention.out(y)
    a = x + o
    s, s_matrix = norm(block.join.norm, a)
    hidden = block.feed.ff1(s).relu()
    f = block.feed.ff2(hidden)
    b = s + f
    last, last_matrix = norm(block.feed_join.norm, b)
    pooled = last.mean(0)
    logit = model.head(pooled)[1]
    r_pooled = pooled * model.head.weight[1]  # R_j / z_j is 1 for the logit itself
    assert torch.isclose(r_pooled.sum() + model.head.bias[1], logit)
    r_last = last / T / pooled * r_pooled
    r_b = back_norm(b, last_matrix, last, r_last)
    r_s, r_f = s / b * r_b, f / b * r_b
    r_hidden = back(hidden, block.feed.ff2.weight, f, r_f)
    z = block.feed.ff1(s)
    r_s = r_s + s * ((r_hidden / z) @ block.feed.ff1.weight)  # a ReLU passes relevance on unchanged
    r_a = back_norm(a, s_matrix, s, r_s)
    r_x, r_o = x / a * r_a, o / a * r_a
    r_y = back(y, block.attention.out.weight, o, r_o)
    shares = torch.einsum("ihe,hij->jhe", (r_y / y).view(T, H, -1), weights) * heads
    value_weight = block.attention.qkv.weight.chunk(3)[2]
    found: Tensor = r_x + back(x, value_weight, v, shares.reshape(T, -1))
    return found


def test_it_is_the_relevance_that_the_rules_give_layer_by_layer() -> None:
    one = texts(slice(0, 1), depth=1, residual="post", pe="learned")
    found = CpLrp().attribute(one)
    x = (one.words + one.added)[0]
    expected = relevance_layer_by_layer(x, one.attention()[0][0], one)
    torch.testing.assert_close(found.tokens[0], expected.sum(-1), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("residual", ["pre", "post", "deepnorm", "sandwich", "scaled", "layerscale", "admin", "none"])
@pytest.mark.parametrize("norm", ["layer", "rms", "batch", "none"])
def test_relevance_and_bias_terms_are_the_logit_in_every_scheme(residual: str, norm: str) -> None:
    found = CpLrp().attribute(texts(residual=residual, norm=norm))
    assert found.error is not None and found.error.max() < 1e-10


@pytest.mark.parametrize(
    "attention", ["full", "window", "linear", "lowrank", "talking", "gated", "sink", "hierarchical", "conv"]
)
@pytest.mark.parametrize("pe", ["learned", "conv"])
def test_and_with_every_kind_of_attention(attention: str, pe: str) -> None:
    found = CpLrp().attribute(texts(attention=attention, pe=pe))
    assert found.error is not None and found.error.max() < 1e-10


@pytest.mark.parametrize("pe", ["none", "relative", "rope", "t5", "alibi", "xl", "cope", "fire", "structural", "mlp"])
def test_and_with_every_encoding(pe: str) -> None:
    found = CpLrp().attribute(texts(pe=pe))
    assert found.error is not None and found.error.max() < 1e-10


@pytest.mark.parametrize("pe", ["learned", "rope", "relative"])
def test_a_text_has_the_same_relevance_alone_and_padding_has_none(pe: str) -> None:
    one = texts(pe=pe)
    found = CpLrp().attribute(one).tokens
    assert bool((found.masked_select(~one.mask) == 0).all())
    torch.testing.assert_close(
        CpLrp().attribute(texts(slice(1, 2), 6, pe=pe)).tokens[0], found[1, :6], rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("pe", ["rope", "relative", "t5"])
def test_padding_on_the_left_changes_nothing_with_a_relative_encoding(pe: str) -> None:
    right, left = CpLrp().attribute(texts(pe=pe)).tokens, CpLrp().attribute(texts(pe=pe, left=True)).tokens
    for row, length in enumerate([9, 6, 3]):
        torch.testing.assert_close(left[row, 9 - length :], right[row, :length], rtol=0, atol=1e-10)


def test_a_recurrent_network_is_refused() -> None:
    with pytest.raises(ValueError, match="attention=recurrent"):
        CpLrp().attribute(texts(attention="recurrent"))
