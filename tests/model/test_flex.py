"""`kernel=flex` gives the numbers of the explicit kernel, uncompiled on a CPU, and is refused where it gives none."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import flex_attention as torch_flex

from stackcli.attention.base import Pattern
from stackcli.config.settings import Config, Part
from stackcli.model import flex
from stackcli.model.build import build_pattern
from stackcli.model.compatibility import try_parts
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import Context
from tests.factory import config, padding, part, stack, tokens
from tests.helpers import stackattn
from tests.model.examples import gradient

LENGTHS = [9, 5, 1]
CASES: dict[str, dict[str, Any]] = {
    "no bias": {"pe": "none"},
    "rotated": {"pe": "rope", "attention": part("window", reach=2)},
    "alibi": {"pe": "alibi"},
    "t5": {"pe": "t5", "attention": part("dilated", reach=1, gap=3)},
    "kerple": {"pe": "kerple", "attention": part("strided", stride=3)},
    "fire": {"pe": part("fire", threshold=4.0)},  # the bias below and beyond the threshold
    "drawn positions": {"pe": part("kerple", randomised=True, range=40)},
    "blocks": {"pe": "t5", "attention": part("blocks", block=2, reach=0, globals=1, random=1)},
    "global": {"pe": "none", "attention": part("global", reach=1, tokens=2)},
    "fixed, full": {
        "pe": "alibi",
        "attention": part("full", layers="full,fixed", stride=3, summary=1),
    },
}


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets FlexAttention run on a CPU, where it has a backward pass only if it is not compiled, and PyTorch refuses
    one."""
    monkeypatch.setattr(flex, "is_usable", lambda device: True)
    monkeypatch.setattr(flex, "compiled_kernel", lambda: torch_flex.flex_attention)
    monkeypatch.setattr(torch_flex, "_validate_device", lambda *_: None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        yield


def numbers(model: StackedAttention, mask: Tensor | None) -> dict[str, Tensor]:
    """Returns logits and all gradients."""
    pos = None if not model.reach else torch.tensor([1, 2, 4, 8, 9, 15, 21, 33, 39])
    logits = model(tokens(), mask, pos)
    torch.autograd.backward(F.cross_entropy(logits, torch.tensor([0, 1, 2])))
    return {"logits": logits.detach()} | {name: gradient(p) for name, p in model.named_parameters()}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("causal,padded", [pytest.param(False, True, marks=pytest.mark.slow), (True, False)])
def test_outputs_and_all_gradients_are_those_of_the_explicit_kernel(
    case: str, causal: bool, padded: bool, uncompiled: None
) -> None:
    mask = padding(LENGTHS, 9) if padded else None
    models = [stack(**CASES[case], causal=causal, kernel=kernel).train() for kernel in ("flex", "explicit")]
    assert [model.kernel for model in models] == ["flex", "explicit"]
    found, expected = (numbers(model, mask) for model in models)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name] - value).abs().max() < 1e-11, name


def test_padding_far_from_any_token_sees_itself_as_in_the_other_kernels(uncompiled: None) -> None:
    models = [stack(pe="none", attention=part("window", reach=1), kernel=kernel) for kernel in ("flex", "explicit")]
    x, ctx = torch.randn(3, 9, 16, dtype=torch.float64), Context(torch.arange(9), padding(LENGTHS, 9))
    found, expected = (model.stack[0](x, ctx, model.pe) for model in models)
    assert (found - expected).abs().max() < 1e-12


def test_every_layer_is_computed_by_flexattention_and_recorded_by_the_explicit_kernel(
    uncompiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def kernel(*args: Any, **keys: Any) -> Any:
        calls.append((keys["score_mod"], keys["block_mask"]))
        return torch_flex.flex_attention(*args, **keys)

    monkeypatch.setattr(flex, "compiled_kernel", lambda: kernel)
    model = stack(pe="none", kernel="flex", depth=3)
    model(tokens())
    assert calls == [(None, None)] * 3  # nothing is added and nothing excluded
    for block in model.stack:
        block.attention.explicit = True
    model(tokens())
    assert len(calls) == 3 and model.kernel == "explicit"


def test_off_cuda_the_other_kernels_compute_what_was_trained_with_flexattention() -> None:
    models = [stack(pe="alibi", kernel=kernel) for kernel in ("flex", "auto")]
    assert torch.equal(*(model(tokens(), padding(LENGTHS, 9)) for model in models))
    assert not flex.is_usable(torch.device("cpu")) and flex.is_usable(torch.device("cuda"))


def test_a_bias_of_offsets_takes_memory_for_offsets_only() -> None:
    q, ctx = torch.zeros(3, 2, 9, 8, dtype=torch.float64), Context(torch.arange(9))
    for pe, offsets in (("alibi", True), ("t5", True), ("kerple", True), ("fire", False)):
        encoding, at = stack(pe=pe).pe, torch.arange(9)
        assert flex.depends_on_offsets(encoding) == offsets
        if offsets:
            rows, pairs = flex.bias_by_offset(encoding, q, causal=False), encoding.bias(q, q, ctx)
            assert rows.shape == (2, 17) and pairs is not None
            assert torch.equal(rows[:, at[None] - at[:, None] + 8], pairs)
    assert not flex.depends_on_offsets(stack(pe="relative").stack[0].own or stack(pe="learned").pe)


def test_a_mask_of_blocks_leaves_out_what_a_window_does_not_see() -> None:
    pattern, q = build_pattern(config(attention=part("window", reach=16)), 1), torch.zeros(1, 1, 1024, 16)
    kept = flex.block_mask(pattern, q, causal=False)
    assert kept.to_dense().sum() == 8 * 3 - 2  # blocks of 128: a block sees itself and its neighbours
    assert flex.block_mask(pattern, q, causal=True).to_dense().sum() == 8 * 2 - 1
    assert flex.block_mask(build_pattern(config(), 1), q, causal=False) is None
    assert flex.block_mask(pattern, q[:, :, :17], causal=False) is None  # every token sees all


def on_cuda(**changes: Any) -> Config:
    return config(**{"kernel": "flex", "device": "cuda", **changes})


@pytest.mark.parametrize(
    "changes,said",
    [
        (
            {"device": "cpu"},
            "kernel=flex needs device=cuda",
        ),
        ({"device": "mps"}, "on device=mps"),
        ({"attention_dropout": 0.1}, "write attention_dropout=0, or kernel=auto"),
        ({"dim": 60}, "heads of 16 dimensions or more, and dim=60 heads=4 gives 15"),
        ({"attention": "linear"}, "does not compute attention=linear; write kernel=auto"),
        ({"attention": "sink", "pe": "none"}, "does not compute attention=sink"),
        ({"attention": "conv", "pe": "none"}, "does not compute attention=conv"),
        ({"attention": "talking", "pe": "none"}, "does not compute attention=talking"),
        ({"pe": "relative"}, "does not compute pe=relative"),
        ({"pe": "cope"}, "does not compute pe=cope"),
        ({"pe": Part(name="rope", keys=(("by_layer", "rope,xl"),))}, "does not compute pe=xl"),
    ],
)
def test_what_flexattention_cannot_compute_is_refused_before_a_run(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        try_parts(on_cuda(**changes))


def test_the_command_ends_with_exit_code_2_and_one_line_before_anything_is_written(tmp_path: Path) -> None:
    done = stackattn("train", "kernel=flex", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("error: kernel=flex needs device=cuda: ")
    assert done.stderr.count("error:") == 1 and not (tmp_path / "outputs" / "runs").exists()


@pytest.mark.parametrize("pe", ["none", "learned", "rope", "alibi", "t5", "kerple", "fire"])
@pytest.mark.parametrize("kind", ["full", "window", "dilated", "strided", "fixed", "global", "blocks", "gated"])
def test_what_it_can_compute_is_taken(pe: str, kind: str) -> None:
    c = on_cuda(pe=pe, attention=kind)
    try_parts(c)
    pattern = build_pattern(c, 1, 64)
    plain = type(pattern).sees is Pattern.sees
    assert plain or kind == "blocks" or pattern.by_index  # blocks draws numbers, which are looked up in a table


@pytest.mark.slow
@pytest.mark.parametrize("pe", ["none", "t5", "fire"])
def test_one_compiled_kernel_serves_all_lengths(pe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, without gradients, and without a mask of blocks, whose C++ code PyTorch 2.13 writes with an error."""
    monkeypatch.setattr(flex, "is_usable", lambda device: True)
    torch.compiler.reset()
    flex.compiled_kernel.cache_clear()
    torch._dynamo.utils.counters.clear()
    models = [stack(pe=pe, kernel=kernel, dim=32).float() for kernel in ("flex", "explicit")]
    with torch.no_grad():
        for n in (9, 17, 33, 21):
            found, expected = (model(tokens(3, n), padding([n, n // 2, 1], n)) for model in models)
            assert (found - expected).abs().max() < 1e-5
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
