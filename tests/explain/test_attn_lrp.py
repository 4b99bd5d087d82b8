"""AttnLRP."""

import torch

from stackcli.explain.attn_lrp import AttnLrp
from tests.explain.examples import texts


def test_the_relevance_of_an_attention_without_skip_follows_the_rules_of_the_paper() -> None:
    """One head without encoding, skip, normalisation and feed-forward network; relevance passes to queries, keys and
    values by the propositions 3.1 and 3.3, and through linear maps by LRP-0."""
    one = texts(slice(0, 1), depth=1, heads=1, ff=0, residual="none", norm="none", pe="none")
    model, x = one.model, one.words[0]
    attention = model.stack[0].attention
    q, k, v = attention.qkv(x).chunk(3, -1)
    scores = q @ k.T / q.shape[-1] ** 0.5
    shares = scores.softmax(-1)
    y = shares @ v
    out = attention.out(y)
    pooled = out.mean(0)
    r_out = out / len(x) * model.head.weight[1]
    assert torch.isclose(pooled @ model.head.weight[1] + model.head.bias[1], one.logits[0, 1])
    r_y = y * ((r_out / out) @ attention.out.weight)
    pairs = shares[:, :, None] * v[None] * (r_y / y)[:, None]  # (i, j, e): what each product has of the output
    r_shares, r_v = pairs.sum(-1) / 2, pairs.sum(0) / 2
    r_scores = scores * (r_shares - shares * r_shares.sum(-1, keepdim=True))
    pairs = q[:, None] * k[None] / q.shape[-1] ** 0.5 * (r_scores / scores)[:, :, None]
    r_q, r_k = pairs.sum(1) / 2, pairs.sum(0) / 2
    expected = torch.zeros_like(x)
    for relevance, z, weight in zip((r_q, r_k, r_v), (q, k, v), attention.qkv.weight.chunk(3), strict=True):
        expected += x * ((relevance / z) @ weight)
    found = AttnLrp().attribute(one)
    torch.testing.assert_close(found.tokens[0], expected.sum(-1), rtol=1e-9, atol=1e-12)
    assert found.error is not None and found.error.item() > 0.01  # it does not conserve
