"""Encodings against Hugging Face transformers; skipped unless it is installed: pip install '.[oracles]'."""

from importlib import import_module

import pytest
import torch

from stackcli.pe.alibi import slopes
from stackcli.pe.base import Context
from stackcli.pe.rope import Rope
from stackcli.pe.t5 import bucket

pytest.importorskip("transformers", reason="pip install '.[oracles]' installs it")


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("buckets,reach", [(32, 128), (32, 256), (64, 700)])
def test_t5_buckets_equal_those_of_transformers(both: bool, buckets: int, reach: int) -> None:
    theirs = import_module("transformers.models.t5.modeling_t5").T5Attention
    offsets = torch.arange(-700, 701)
    expected = theirs._relative_position_bucket(offsets, bidirectional=both, num_buckets=buckets, max_distance=reach)
    assert torch.equal(bucket(offsets, buckets=buckets, reach=reach, both=both), expected)


@pytest.mark.parametrize("heads", [4, 6, 8, 12, 16])
def test_alibi_slopes_equal_those_of_bloom(heads: int) -> None:
    bloom = import_module("transformers.models.bloom.modeling_bloom")
    theirs = bloom.build_alibi_tensor(torch.ones(1, 3), heads, torch.float32)[:, 0, 1]
    assert float((torch.tensor(slopes(heads)) - theirs).abs().max()) < 1e-7


def test_interleaved_rope_equals_that_of_gpt_j() -> None:
    gptj = import_module("transformers.models.gptj.modeling_gptj")
    q = torch.randn(2, 3, 9, 8)
    sin, cos = gptj.create_sinusoidal_positions(9, 8)[None].expand(2, 9, 8).chunk(2, dim=-1)
    theirs = gptj.apply_rotary_pos_emb(q.transpose(1, 2), sin, cos).transpose(1, 2)
    ours, _ = Rope(dim=24, heads=3, max_len=9, layout="interleaved").rotate(q, q, Context(torch.arange(9)))
    assert float((ours - theirs).abs().max()) < 1e-5


def test_half_rope_equals_that_of_llama() -> None:
    llama = import_module("transformers.models.llama.modeling_llama")
    q, pos = torch.randn(2, 3, 9, 8), torch.arange(9)[None].expand(2, 9)
    sizes = import_module("transformers").LlamaConfig(
        hidden_size=24, num_attention_heads=3, num_key_value_heads=3, head_dim=8
    )
    cos, sin = llama.LlamaRotaryEmbedding(config=sizes)(q, pos)
    theirs, _ = llama.apply_rotary_pos_emb(q, q, cos, sin)
    ours, _ = Rope(dim=24, heads=3, max_len=9, layout="half").rotate(q, q, Context(torch.arange(9)))
    assert float((ours - theirs).abs().max()) < 1e-5
