"""Our attributions against those of Captum; skipped unless it is installed: pip install '.[oracles]'."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.explain.gradient import Gradient
from stackcli.explain.integrated import Integrated
from stackcli.explain.occlusion import Occlusion
from tests.explain.examples import texts

pytest.importorskip("captum", reason="pip install '.[oracles]' installs it")
SCHEMES: list[dict[str, Any]] = [
    {},
    {"residual": "pre", "pe": "relative"},
    {"residual": "post", "norm": "rms", "pe": "rope"},
]


@pytest.mark.parametrize("changes", SCHEMES)
def test_integrated_gradients_equal_those_of_captum_with_as_many_points(changes: dict[str, Any]) -> None:
    one = texts(**changes)
    ours = Integrated(steps=32, most=32).attribute(one)

    def logit(x: Tensor) -> Tensor:  # Captum joins the points of the line, each with all texts
        return one.choose_texts(torch.arange(len(one.words)).repeat(len(x) // len(one.words))).logit(x)

    theirs = import_module("captum.attr").IntegratedGradients(logit)
    x = one.words + one.added
    expected = theirs.attribute(x, torch.zeros_like(x), n_steps=32, method="gausslegendre").sum(-1)
    torch.testing.assert_close(ours.tokens, expected, rtol=0, atol=1e-7)  # its points are in single precision


@pytest.mark.parametrize("changes", SCHEMES)
def test_gradient_times_input_equals_that_of_captum(changes: dict[str, Any]) -> None:
    one = texts(**changes)
    expected = (
        import_module("captum.attr").InputXGradient(one.logit).attribute((one.words + one.added).requires_grad_())
    )
    torch.testing.assert_close(Gradient().attribute(one).tokens, expected.sum(-1).detach(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("changes", SCHEMES)
def test_occlusion_equals_the_ablation_of_captum(changes: dict[str, Any]) -> None:
    one = texts(**changes)

    def logit(keep: Tensor) -> Tensor:
        return one.logit_of(keep > 0)

    expected = import_module("captum.attr").FeatureAblation(logit).attribute(one.mask.double())
    torch.testing.assert_close(Occlusion().attribute(one).tokens, expected, rtol=0, atol=1e-10)
