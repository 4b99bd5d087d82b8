"""Against the implementations that others use; for an environment that has them: pip install '.[oracles]'."""

import pytest
import torch

from stackcli.pe.alibi import slopes
from stackcli.pe.base import Context
from stackcli.pe.rope import Rope
from stackcli.pe.t5 import bucket

transformers = pytest.importorskip("transformers", reason="pip install '.[oracles]' brings it")


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("buckets,reach", [(32, 128), (32, 256), (64, 700)])
def test_t5_buckets_are_those_of_transformers(both: bool, buckets: int, reach: int) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    offsets = torch.arange(-700, 701)
    theirs = T5Attention._relative_position_bucket(offsets, bidirectional=both, num_buckets=buckets, max_distance=reach)
    assert torch.equal(bucket(offsets, buckets=buckets, reach=reach, both=both), theirs)


@pytest.mark.parametrize("heads", [4, 6, 8, 12, 16])
def test_alibi_slopes_are_blooms(heads: int) -> None:
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 3), heads, torch.float32)[:, 0, 1]
    assert float((torch.tensor(slopes(heads)) - theirs).abs().max()) < 1e-7


def test_interleaved_rope_is_gpt_js() -> None:
    from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb, create_sinusoidal_positions

    q = torch.randn(2, 3, 9, 8)
    sin, cos = create_sinusoidal_positions(9, 8)[None].expand(2, 9, 8).chunk(2, dim=-1)
    theirs = apply_rotary_pos_emb(q.transpose(1, 2), sin, cos).transpose(1, 2)
    ours, _ = Rope(dim=24, heads=3, max_len=9, layout="interleaved").rotate(q, q, Context(torch.arange(9)))
    assert float((ours - theirs).abs().max()) < 1e-5


def test_half_rope_is_llamas() -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    q, pos = torch.randn(2, 3, 9, 8), torch.arange(9)[None].expand(2, 9)
    sizes = LlamaConfig(hidden_size=24, num_attention_heads=3, num_key_value_heads=3, head_dim=8)
    cos, sin = LlamaRotaryEmbedding(config=sizes)(q, pos)
    theirs, _ = apply_rotary_pos_emb(q, q, cos, sin)
    ours, _ = Rope(dim=24, heads=3, max_len=9, layout="half").rotate(q, q, Context(torch.arange(9)))
    assert float((ours - theirs).abs().max()) < 1e-5
