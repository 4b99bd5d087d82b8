"""Value zeroing."""

import torch
import torch.nn.functional as F

from stackcli.explain.value_zeroing import ValueZeroing
from tests.explain.examples import texts


def test_of_one_block_the_shares_are_cosine_distances_without_the_value_of_each_token() -> None:
    one = texts(slice(0, 1), 4, depth=1, pe="rope", residual="post")
    model, block, ctx = one.model, one.model.stack[0], one.context(one.mask)
    x = one.words + one.added
    attention = block.attention
    (weights,) = one.attention()
    v = attention.qkv(x).chunk(3, -1)[2].view(1, 4, 2, 8).transpose(1, 2)  # (1, H, T, E)

    def output(zeroed: int | None) -> torch.Tensor:
        kept = v.clone()
        if zeroed is not None:
            kept[:, :, zeroed] = 0
        y = attention.out((weights @ kept).transpose(1, 2).flatten(2))
        s = block.join.norm(x + y)
        assert block.feed is not None and block.feed_join is not None
        return block.feed_join.norm(s + block.feed(s))  # type: ignore[no-any-return]

    torch.testing.assert_close(output(None), block(x, ctx, model.pe))
    moved = torch.stack([1 - F.cosine_similarity(output(None), output(j), dim=-1)[0] for j in range(4)], dim=-1)
    shares = moved / moved.sum(-1, keepdim=True)
    torch.testing.assert_close(ValueZeroing().attribute(one).tokens[0], shares.mean(0))


def test_padding_has_no_share_and_the_shares_of_a_text_sum_to_1() -> None:
    one = texts()
    found = ValueZeroing().attribute(one).tokens
    assert bool((found.masked_select(~one.mask) == 0).all())
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))
