"""Mixed precision and compiled blocks give nearly the numbers of plain float32."""

import pytest
import torch

from stackcli.common import registry
from stackcli.model.stack import StackedAttention
from stackcli.training.accelerator import compile_blocks, mixed_precision
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


@pytest.mark.slow
@pytest.mark.parametrize("pe", ["learned", "relative", "rope"])
def test_compiled_blocks_give_the_same_loss_and_gradients(pe: str) -> None:
    plain, compiled = (stack(pe=pe, dropout=0.0).float().train() for _ in range(2))
    compiled.load_state_dict(plain.state_dict())
    compile_blocks(compiled, config(compile=True))
    assert not any(block.fused for block in compiled.stack)
    (a, exact), (b, found) = (loss_and_gradients(model, "fp32") for model in (plain, compiled))
    assert abs(float(a - b)) < 1e-5
    for one, other in zip(exact, found, strict=True):
        assert (one - other).abs().max() < 1e-4
