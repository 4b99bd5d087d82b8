"""Linformer: attention over few sums of keys and values."""

import math

import pytest
import torch

from stackcli.attention.lowrank import Lowrank
from stackcli.model.compatibility import try_parts
from tests.factory import config, padding, part, stack, tokens


def test_a_querys_output_is_the_softmax_over_the_projected_keys_times_the_projected_values() -> None:
    torch.manual_seed(0)
    kind = Lowrank(dim=6, max_len=9, causal=False, rows=4).double()
    q, k, v = (torch.randn(2, 2, 5, 3, dtype=torch.float64) for _ in range(3))
    lengths = [5, 3]
    found = kind.attend(q, k, v, padding(lengths, 5))
    for b, n in enumerate(lengths):
        for h in range(2):
            rows = [sum(kind.keys[r, j] * k[b, h, j] for j in range(n)) for r in range(4)]
            values = [sum(kind.values[r, j] * v[b, h, j] for j in range(n)) for r in range(4)]
            for i in range(n):
                factors = [math.exp(float((q[b, h, i] @ row).detach()) / math.sqrt(3)) for row in rows]
                expected = sum(f * value for f, value in zip(factors, values, strict=True)) / sum(factors)
                assert float((found[b, h, i] - expected).detach().abs().max()) < 1e-12


def test_the_weights_of_diagnostics_times_the_values_are_the_output() -> None:
    torch.manual_seed(1)
    kind = Lowrank(dim=6, max_len=9, causal=False, rows=4).double()
    q, k, v = (torch.randn(2, 2, 5, 3, dtype=torch.float64) for _ in range(3))
    mask = padding([5, 2], 5)
    assert (kind.weights(q, k, mask) @ v - kind.attend(q, k, v, mask)).abs().max() < 1e-12


def test_a_text_has_the_same_answer_alone_and_in_a_padded_batch() -> None:
    model, lengths = stack(attention=part("lowrank", rows=3), pe="learned"), [9, 5, 1]
    together = model(tokens(), padding(lengths, 9))
    alone = torch.cat([model(tokens()[i : i + 1, :n]) for i, n in enumerate(lengths)])
    assert (together - alone).abs().max() < 1e-12


def test_its_weights_are_drawn_for_the_longest_sequence_and_none_longer_is_taken() -> None:
    kinds = [block.attention.pattern for block in stack(attention=part("lowrank", rows=16), depth=2).stack]
    tables = [kind.keys.detach() for kind in kinds if isinstance(kind, Lowrank)]
    assert [table.shape for table in tables] == [(16, 64)] * 2 and not torch.equal(*tables)
    assert float(torch.stack(tables).std()) == pytest.approx(0.25, abs=0.02)  # rows^-0.5
    with pytest.raises(ValueError, match="weights for 64 tokens, not for 65"):
        stack(attention="lowrank", pe="none")(tokens(1, 65))


def test_causal_stacks_and_encodings_of_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="attention=lowrank mixes tokens of all places"):
        try_parts(config(attention="lowrank", causal=True))
    with pytest.raises(ValueError, match="pe=alibi works on the scores of attention; attention=lowrank has none"):
        try_parts(config(attention="lowrank", pe="alibi"))
