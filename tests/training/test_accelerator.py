"""Mixed precision and compiled blocks give nearly the numbers of plain float32."""

from typing import Any

import pytest
import torch

from stackcli.common import registry
from stackcli.model.stack import StackedAttention
from stackcli.training import run_result
from stackcli.training.accelerator import compile_blocks, is_compiled, mixed_precision
from tests.factory import config, padding, part, stack, tokens
from tests.training.examples import finish, training

MASK = padding([9, 5, 1], 9)
TREE = (torch.arange(9) // 2).expand(3, 9)
PES = registry.part_names("pe")
KINDS = ("full", "window", "hierarchical", "gated", "sink", "softmax1", "talking", "linear", "recurrent")


def loss_and_gradients(model: StackedAttention, precision: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.zero_grad()
    with mixed_precision(config(precision=precision)):
        logits = model(tokens(), MASK, None, TREE)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2]))
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


def check_close(model: StackedAttention, tolerance: float = 0.1) -> None:
    plain, exact = loss_and_gradients(model, "fp32")
    mixed, found = loss_and_gradients(model, "bf16")
    assert 0 < abs(float(plain - mixed)) < 0.02 and mixed.dtype == torch.float32
    assert len(found) == len(exact) > 10 and all(g.dtype == torch.float32 for g in found)
    whole, apart = (sum(float(x.square().sum()) for x in xs) for xs in (exact, map(torch.sub, exact, found)))
    assert 0 < apart < tolerance**2 * whole  # bfloat16 has 8 bits


@pytest.mark.parametrize("pe", PES)
def test_bf16_is_near_float32_with_every_encoding(pe: str) -> None:
    check_close(stack(pe=pe, dropout=0.0).float().train())


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_is_near_float32_with_every_way_of_attention(kind: str) -> None:
    model = stack(attention=part(kind), pe="none", dropout=0.0).float().train()
    check_close(model, 0.3 if kind == "linear" else 0.1)  # whose weights are quotients of sums, all nearly equal


def test_a_run_in_bf16_trains_and_is_another_run_than_one_in_float32() -> None:
    mixed, plain = (training(precision=precision) for precision in ("bf16", "fp32"))
    assert mixed.config.identity() != plain.config.identity()
    for run in (mixed, plain):
        finish(run)
    for one, other in zip(mixed.curve, plain.curve, strict=True):
        assert 0 < abs(one.train_loss - other.train_loss) < 0.01
    assert all(p.dtype == torch.float32 for p in mixed.model.parameters())


@pytest.mark.parametrize(
    "device,compile,depth,steps,compiled",
    [
        ("cpu", True, 1, 1, True),
        ("cuda", True, 1, 1, True),
        ("cuda", False, 100, 10**8, False),
        ("cpu", "auto", 100, 10**8, False),  # where a compiled step is slower
        ("mps", "auto", 100, 10**8, False),
        ("cuda", "auto", 2, 99_999, False),
        ("cuda", "auto", 2, 100_000, True),  # 200,000 steps x blocks
        ("cuda", "auto", 8, 25_000, True),
    ],
)
def test_with_auto_blocks_are_compiled_on_cuda_in_long_runs(
    device: str, compile: Any, depth: int, steps: int, compiled: bool
) -> None:
    c = config(device=device, compile=compile, depth=depth)
    assert is_compiled(c, steps) == compiled
    model = stack(depth=1)
    compile_blocks(model, c, steps)
    assert model.stack[0].fused != compiled and (model.stack[0]._compiled_call_impl is not None) == compiled


def test_the_result_says_whether_the_blocks_were_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(compile="auto", steps=1)
    assert run.result(test=False).compiled is False
    monkeypatch.setattr(run_result, "is_compiled", lambda config, steps: steps == 1)
    assert run.result(test=False).compiled is True


@pytest.mark.slow
@pytest.mark.parametrize("pe", ["learned", "relative", "rope"])
def test_compiled_blocks_give_the_same_loss_and_gradients(pe: str) -> None:
    plain, compiled = (stack(pe=pe, dropout=0.0).float().train() for _ in range(2))
    compiled.load_state_dict(plain.state_dict())
    compile_blocks(compiled, config(compile=True), 1)
    assert not any(block.fused for block in compiled.stack)
    (a, exact), (b, found) = (loss_and_gradients(model, "fp32") for model in (plain, compiled))
    assert abs(float(a - b)) < 1e-5
    for one, other in zip(exact, found, strict=True):
        assert (one - other).abs().max() < 1e-4
