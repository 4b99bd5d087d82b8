"""Settings that do not go together are refused, with what to write instead."""

import pytest

from stackcli.model.compatibility import try_parts
from tests.factory import config, padding, part, stack, tokens


def test_layer_drop_is_refused_without_a_skip_connection() -> None:
    with pytest.raises(ValueError, match="layer_drop needs a skip connection: residual=none"):
        try_parts(config(residual="none", layer_drop=0.1))
    try_parts(config(residual="none", layer_drop=0.0))
    try_parts(config(residual="pre", layer_drop=0.1))


@pytest.mark.parametrize("name", ["learned", "sinusoidal", "fourier", "mlp", "conv"])
def test_encodings_that_are_added_once_cannot_be_those_of_some_layers(name: str) -> None:
    listed = part("rope", by_layer=f"rope,{name}")
    with pytest.raises(ValueError, match=f"pe.by_layer: {name} is added to the tokens once, before layer 1"):
        try_parts(config(pe=listed))
    try_parts(config(pe=part("rope", by_layer="rope,none")))


def test_each_layers_kind_of_attention_is_tried_with_its_own_encoding() -> None:
    listed = part("cope", by_layer="cope,none")
    try_parts(config(pe=listed, attention=part("full", layers="full,window")))
    with pytest.raises(ValueError, match="pe=cope needs the scores of all pairs of tokens, which attention=window"):
        try_parts(config(pe=listed, attention=part("window", layers="window,full")))
    with pytest.raises(ValueError, match="pe=cope needs the scores"):  # in layer 5 of 6
        try_parts(config(pe=listed, attention=part("full", layers="full,full,window")))
    with pytest.raises(ValueError, match="pe=rope works on the scores of attention; attention=linear has none"):
        try_parts(config(pe="rope", attention=part("full", layers="full,linear")))


@pytest.mark.parametrize("causal", [False, True])
def test_minus_infinity_of_one_head_is_not_mixed_into_others(causal: bool) -> None:
    with pytest.raises(ValueError, match="pe=alibi hides some keys from some heads, and attention=talking mixes"):
        try_parts(config(pe="alibi", attention="talking", causal=causal))
    symmetric = {"pe": part("alibi", form="symmetric"), "attention": "talking", "causal": causal}
    try_parts(config(**symmetric))
    model = stack(**symmetric)
    model(tokens(), padding([9, 5, 1], 9)).sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_layers_that_differ_share_no_weights() -> None:
    for changes in ({"pe": part("rope", by_layer="rope,none")}, {"attention": part("full", layers="full,window")}):
        with pytest.raises(ValueError, match=r"share_layers=true applies one block at every depth, and .* different"):
            try_parts(config(share_layers=True, **{"pe": "none", **changes}))
    try_parts(config(share_layers=True, pe="none", attention=part("full", layers="full,full")))
