"""Attention: the two kernels, masks, and dropout of attention weights."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from stackcli.attention.full import Full
from stackcli.config.settings import Part
from stackcli.model.attention import PAD, Attention
from stackcli.pe.base import Context, PositionEncoding
from tests.factory import padding, part, stack, tokens
from tests.model.examples import KERNELS, PES, check_resumes, gradient

LENGTHS = [9, 5, 1]


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="dim=10 is not divisible by heads=4"):
        Attention(dim=10, heads=4, causal=False, pattern=Full(), dropout=0.0, explicit=False)


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_fused_and_explicit_attention_agree(pe: str, causal: bool, padded: bool) -> None:
    mask = padding(LENGTHS, 9) if padded else None
    auto = stack(pe=pe, causal=causal).float()
    by_hand = stack(pe=pe, causal=causal, kernel="explicit").float()
    assert by_hand.kernel == "explicit" and auto.kernel == ("explicit" if pe == "relative" else "fused")
    assert (auto(tokens(), mask) - by_hand(tokens(), mask)).abs().max() < 1e-5


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_fused_and_explicit_attention_have_the_same_gradients(pe: str, causal: bool, padded: bool) -> None:
    mask = padding([9, 5, 0], 9) if padded else None
    grads = []
    for kernel in ("auto", "explicit"):
        model = stack(pe=pe, causal=causal, kernel=kernel)
        torch.autograd.backward(F.cross_entropy(model(tokens(), mask), torch.tensor([0, 1, 2])))
        grads.append({name: gradient(p) for name, p in model.named_parameters()})
    assert grads[0].keys() == grads[1].keys()
    assert all((g - grads[1][name]).abs().max() < 1e-12 for name, g in grads[0].items())


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the calls of the two implementations of `scaled_dot_product_attention`: flash, and its softmax."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flash = self.softmax = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.flash += func is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
        self.softmax += "softmax" in str(func)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("pe", ["none", "rope", "alibi"])
@pytest.mark.parametrize("kind", [part("full"), part("window", reach=2), part("sink", start=1.0)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_the_fused_kernel_never_takes_the_slow_path_of_pytorch(pe: str, kind: Part, causal: bool, padded: bool) -> None:
    """That path writes out all scores; PyTorch takes it where a mask has three dimensions, or needs a gradient."""
    model = stack(pe=pe, causal=causal, attention=kind).float().train()
    with Calls() as calls:
        model(tokens(), padding(LENGTHS, 9) if padded else None)
    assert (calls.flash, calls.softmax) == (2, 0)


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("causal", [False, True])
def test_padding_does_not_change_an_answer(pe: str, causal: bool) -> None:
    model = stack(pe=pe, causal=causal)
    together = model(tokens(), padding(LENGTHS, 9))
    alone = torch.cat([model(tokens()[i : i + 1, :n]) for i, n in enumerate(LENGTHS)])
    assert (together - alone).abs().max() < 1e-12


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_the_token_ids_of_padding_are_never_read(pe: str, kernel: str, residual: str) -> None:
    model, x, mask = stack(pe=pe, kernel=kernel, residual=residual), tokens(), padding(LENGTHS, 9)
    assert torch.equal(model(x, mask), model(x.masked_fill(~mask, PAD), mask))
    wider = F.pad(x, (0, 6))
    assert (model(x, mask) - model(wider, F.pad(mask, (0, 6)))).abs().max() < 1e-12


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("causal", [False, True])
def test_a_fully_padded_row_gives_no_nan(pe: str, kernel: str, causal: bool) -> None:
    model = stack(pe=pe, kernel=kernel, causal=causal)
    logits = model(tokens(), padding([9, 4, 0], 9))
    torch.autograd.backward(logits.sum())
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("pe", PES)
def test_later_tokens_do_not_change_earlier_outputs_of_a_causal_stack(pe: str) -> None:
    model, first = stack(pe=pe, causal=True), tokens(1)
    other = first.clone()
    other[0, 6:] = (other[0, 6:] + 7) % 29 + 1
    seen: list[torch.Tensor] = []
    assert model.closing is not None
    model.closing.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model(first), model(other)
    assert torch.equal(seen[0][0, :6], seen[1][0, :6])
    assert not torch.equal(seen[0][0, 6:], seen[1][0, 6:])


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_later_tokens_do_not_change_earlier_outputs_of_any_causal_block(pe: str, residual: str, kernel: str) -> None:
    model = stack(pe=pe, residual=residual, kernel=kernel, causal=True, depth=3)
    seen: list[torch.Tensor] = []
    for block in model.stack:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    first = tokens(2)
    for at in (1, 4, 8):
        seen.clear()
        other = first.clone()
        other[:, at:] = other[:, at:] % 29 + 1
        model(first), model(other)
        for before, after in zip(seen[:3], seen[3:], strict=True):
            assert torch.equal(before[:, :at], after[:, :at])
            assert not torch.equal(before[:, at:], after[:, at:])


# ---- attention dropout


def attention_that_outputs_its_weights(p: float, kernel: str) -> Attention:
    """One head over 4 tokens of width 4 whose output is its attention weights if the tokens are the unit vectors."""
    attention = Attention(
        dim=4, heads=1, causal=False, pattern=Full(), dropout=p, explicit=kernel == "explicit"
    ).double()
    torch.manual_seed(3)
    with torch.no_grad():
        attention.qkv.weight.normal_(), attention.qkv.bias.zero_(), attention.out.bias.zero_()
        attention.qkv.weight[8:] = torch.eye(4)
        attention.out.weight.copy_(torch.eye(4))
    return attention


def weights(attention: Attention, copies: int) -> Tensor:
    x = torch.eye(4, dtype=torch.float64).expand(copies, 4, 4)
    with torch.no_grad():
        out: Tensor = attention(x, Context(torch.arange(4)), PositionEncoding(dim=4, heads=1, max_len=4))
    return out


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("p", [0.25, 0.7])
def test_attention_weights_are_dropped_independently_and_those_kept_are_scaled(p: float, kernel: str) -> None:
    n, attention = 20_000, attention_that_outputs_its_weights(p, kernel)
    whole = weights(attention.eval(), 1)
    assert (whole.sum(-1) - 1).abs().max() < 1e-12
    torch.manual_seed(0)
    found = weights(attention.train(), n)
    kept = found != 0
    rounded = round(p * 65536) / 65536 if kernel == "explicit" else p
    assert (found - kept * whole / (1 - rounded)).abs().max() < 1e-12
    five = 5 * math.sqrt(p * (1 - p) / n)
    assert (kept.double().mean(0) - (1 - p)).abs().max() < five
    flat = kept.double().flatten(1)
    assert (torch.corrcoef(flat.T) - torch.eye(16)).abs().max() < 5 / math.sqrt(n)


@pytest.mark.parametrize("kernel", KERNELS)
def test_attention_dropout_keeps_the_mean_of_the_output(kernel: str) -> None:
    n, p, draw = 20_000, 0.3, torch.Generator().manual_seed(1)
    torch.manual_seed(2)
    attention = Attention(dim=8, heads=2, causal=True, pattern=Full(), dropout=p, explicit=kernel == "explicit")
    x = torch.randn(1, 5, 8, generator=draw).expand(n, 5, 8)
    ctx, pe = Context(torch.arange(5), causal=True), PositionEncoding(dim=8, heads=2, max_len=5)
    with torch.no_grad():
        whole, dropped = attention.eval()(x[:1], ctx, pe)[0], attention.train()(x, ctx, pe)
    error = dropped.double().std(0) / math.sqrt(n)
    assert error.min() > 0
    assert ((dropped.double().mean(0) - whole).abs() / error).max() < 5


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("pe", ["none", "alibi", "relative"])
def test_attention_dropout_acts_only_in_training_and_depends_only_on_the_generator(pe: str, kernel: str) -> None:
    model, plain = (stack(pe=pe, kernel=kernel, attention_dropout=p) for p in (0.4, 0.0))
    mask, state = padding(LENGTHS, 9), torch.get_rng_state()
    assert torch.equal(model(tokens(), mask), plain(tokens(), mask))
    assert torch.equal(torch.get_rng_state(), state)
    said = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        said.append(model.train()(tokens(), mask))
    assert torch.equal(said[0], said[1]) and not torch.equal(said[0], said[2]) and said[2].isfinite().all()
    assert torch.equal(plain.train()(tokens(), mask), plain.eval()(tokens(), mask))


def test_a_training_with_attention_dropout_and_layer_drop_resumes_bit_for_bit() -> None:
    check_resumes(attention_dropout=0.2, layer_drop=0.3)


class Slope(PositionEncoding):
    """A bias as it comes out of whole positions times a number of Python: float32, whatever the stack computes in."""

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        return -0.1 * (ctx.pos[None, :] - ctx.pos[:, None]).abs()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_bias_of_another_type_is_read_as_its_numbers(causal: bool, dtype: torch.dtype) -> None:
    x, pe = (
        torch.randn(2, 5, 8, dtype=dtype, generator=torch.Generator().manual_seed(0)),
        Slope(dim=8, heads=2, max_len=5),
    )
    outputs = []
    for explicit in (False, True):
        torch.manual_seed(0)
        layer = (
            Attention(dim=8, heads=2, causal=causal, pattern=Full(), dropout=0.0, explicit=explicit).to(dtype).eval()
        )
        outputs.append(layer(x, Context(torch.arange(5), causal=causal), pe))
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-6)
