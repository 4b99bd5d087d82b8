"""Fresh weights from the top on."""

import pytest
import torch

from stackcli.diagnostics.layer_randomisation import randomise_from_top
from tests.factory import stack


@pytest.mark.parametrize("changes", [{}, {"residual": "pre", "pe": "relative", "depth": 3}, {"share_layers": True}])
def test_each_copy_has_the_fresh_weights_of_one_more_part(changes: dict[str, object]) -> None:
    model, fresh = stack(**{"depth": 2, **changes}), stack(**{"depth": 2, **changes})
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.fill_(7)
    depth, before = len(model.stack), {k: v.clone() for k, v in model.state_dict().items()}
    found = list(randomise_from_top(model, fresh))
    assert [name for name, _ in found] == ["classifier", *(f"layer {i}" for i in range(depth, 0, -1)), "input"]
    for name, copy in found:
        replaced = {k for k, v in copy.named_parameters() if bool((v == 7).all())}
        assert "head.weight" in replaced
        assert ("embedding.weight" in replaced) == (name == "input")
        for layer in range(1, depth + 1):
            done = f"blocks.{layer - 1}.attention.out.weight" in replaced
            expected = name == "input" or (name.startswith("layer") and layer >= int(name.split()[1]))
            assert done == expected or changes.get("share_layers")
    assert {k for k, v in found[-1][1].named_parameters()} == {
        k for k, v in found[-1][1].named_parameters() if bool((v == 7).all())
    }
    assert all(v.equal(before[k]) for k, v in model.state_dict().items())
