"""Exactly one encoding is active in a model: no second one is left switched on."""

import pytest
import torch

from stackcli.common import registry
from stackcli.pe.base import Context, PositionEncoding
from tests.factory import part, stack, tokens

NAMES = [name for name in registry.part_names("pe") if registry.built_in("pe", name)]
HOOKS = ("embed", "rotate", "bias", "mix")
FORMS = {
    "structural": [{"form": "absolute"}, {"form": "relative"}],
    "relative": [{"layers": "own"}, {"layers": "shared"}],
}
TREE = torch.arange(9).sub(1).clamp(min=0).expand(3, 9)


def active(pe: PositionEncoding, x: torch.Tensor) -> set[str]:
    """The hooks that change anything."""
    ctx = Context(torch.arange(9), tree=TREE)
    q, k = torch.randn(2, 3, 2, 9, 8, dtype=torch.float64)
    weights = torch.randn(3, 2, 9, 9, dtype=torch.float64).softmax(-1)
    turned = pe.rotate(q, k, ctx)
    changed = {
        "embed": not torch.equal(pe.embed(x, ctx), x),
        "rotate": not (torch.equal(turned[0], q) and torch.equal(turned[1], k)),
        "bias": pe.bias(q, k, ctx) is not None,
        "mix": pe.mix(weights, ctx) is not None,
    }
    return {hook for hook, does in changed.items() if does}


@pytest.mark.parametrize("name", NAMES)
def test_one_encoding_of_the_kind_asked_for_is_active_and_no_other(name: str) -> None:
    for keys in FORMS.get(name, [{}]):
        model = stack(pe=part(name, **keys), depth=3)
        found = [m for m in model.modules() if isinstance(m, PositionEncoding)]
        x = torch.randn(3, 9, 16, dtype=torch.float64)
        live = [m for m in found if active(m, x)]
        kind = registry.load_part("pe", name)
        assert all(type(m) is kind for m in live)
        if name == "none":
            assert live == []
            continue
        own = [block.own for block in model.stack if block.own is not None]
        assert live == (own if own else [model.pe]) and len(own) in (0, 3)
        assert len({frozenset(active(m, x)) for m in live}) == 1  # the same hooks in every layer
        if own:
            assert type(model.pe) is PositionEncoding and active(model.pe, x) == set()


@pytest.mark.parametrize("name", NAMES)
def test_position_information_has_no_other_way_in(name: str) -> None:
    """With its hooks silenced, a stack with the encoding is the stack without any."""
    model, bare = stack(pe=name), stack(pe="none")
    for module in model.modules():
        if isinstance(module, PositionEncoding):
            for hook in HOOKS:
                setattr(module, hook, getattr(PositionEncoding(dim=16, heads=2, max_len=64), hook))
    explicit = {block.attention for block in (*model.stack, *bare.stack)}
    for attention in explicit:
        attention.explicit = True
    assert float((model(tokens(), tree=TREE) - bare(tokens())).detach().abs().max()) < 1e-12
