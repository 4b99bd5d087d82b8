"""DeepNorm: a larger weight on the skip, and smaller initial matrices in the branches."""

from functools import partial

import pytest
import torch
from torch import Tensor

from stackcli.model.compatibility import try_parts
from tests.factory import config, padding, part, stack, tokens
from tests.residual import oracle

PLAIN = part("deepnorm", alpha=1.0, beta=1.0)


def rule(x: Tensor, norm: oracle.Map, branch: oracle.Map, alpha: float = 6**0.25) -> Tensor:
    return norm(alpha * x + branch(x))  # three blocks: alpha = (2 x 3)^(1/4)


def test_the_stream_after_a_branch_equals_the_paper() -> None:
    oracle.check_join("deepnorm", rule)


def test_a_stack_of_three_blocks_equals_the_paper_with_gains_and_offsets() -> None:
    oracle.check_stack("deepnorm", rule, closing=False)


def test_a_given_alpha_is_used() -> None:
    oracle.check_stack("deepnorm", partial(rule, alpha=0.7), closing=False, alpha=0.7, beta=0.0)


@pytest.mark.parametrize("init", ["default", "xavier"])
def test_with_alpha_and_beta_1_it_is_post_ln_exactly(init: str) -> None:
    mask = padding([9, 5, 1], 9)
    post, same = stack(residual="post", init=init, depth=3), stack(residual=PLAIN, init=init, depth=3)
    assert torch.equal(post(tokens(), mask), same(tokens(), mask))
    for model in (post, same):
        model(tokens(), mask).square().sum().backward()
    gradients = {name: p.grad for name, p in post.named_parameters()}
    for name, p in same.named_parameters():
        expected = gradients[name]
        assert p.grad is not None and expected is not None and torch.equal(p.grad, expected), name


@pytest.mark.parametrize("depth", [1, 6])
@pytest.mark.parametrize("asked,beta", [(0.0, None), (0.5, 0.5)])
def test_v_o_and_both_feed_forward_maps_are_multiplied_by_beta_and_nothing_else_changes(
    depth: int, asked: float, beta: float | None
) -> None:
    beta = beta or 1 / (8 * depth) ** (1 / 4)
    scheme = part("deepnorm", alpha=0.0, beta=asked)
    plain, scaled = (stack(init="xavier", residual=r, depth=depth).float() for r in ("post", scheme))
    roles = set()
    for (_, role, w, b), (_, _, v, c) in zip(plain.maps(), scaled.maps(), strict=True):
        expected = w * beta if role in ("v", "o", "ff1", "ff2") else w
        assert torch.allclose(v, expected, rtol=1e-6, atol=0) and torch.equal(b, c), role
        roles.add(role)
    assert roles == {"q", "k", "v", "o", "ff1", "ff2", "head"}
    assert torch.equal(plain.embedding.weight, scaled.embedding.weight)


def test_the_gain_of_init_deepnorm_is_not_applied_twice() -> None:
    alone, together = (stack(init="deepnorm", residual=r, depth=4) for r in ("post", "deepnorm"))
    for (_, role, w, _), (_, _, v, _) in zip(alone.maps(), together.maps(), strict=True):
        assert torch.equal(w, v), role


def test_an_init_that_scales_by_depth_is_refused_and_so_is_a_beta_with_init_deepnorm() -> None:
    for init in ("default", "xavier", "deepnorm"):
        try_parts(config(residual="deepnorm", init=init))
    with pytest.raises(ValueError, match="residual=deepnorm sizes its branches by depth, and init=gpt2 would"):
        try_parts(config(residual="deepnorm", init="gpt2"))
    for beta in (0.3, 1.0):
        with pytest.raises(ValueError, match=r"residual\.beta would do nothing: init=deepnorm has its own"):
            try_parts(config(residual=part("deepnorm", alpha=0.0, beta=beta), init="deepnorm"))


def test_schemes_without_gains_draw_the_same_matrices() -> None:
    pre, post = (stack(init="xavier", residual=r, depth=4) for r in ("pre", "post"))
    assert all(torch.equal(w, v) for (*_, w, _), (*_, v, _) in zip(pre.maps(), post.maps(), strict=True))
