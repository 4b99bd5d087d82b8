"""Shaw et al. 2018 against a triple loop written from equations 3 to 5."""

import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from stackcli.pe.base import Context
from stackcli.pe.relative import Relative
from tests.factory import stack, tokens

B, H, T, E = 2, 3, 7, 4


def triple_loop(q: Tensor, k: Tensor, v: Tensor, pos: Tensor, pe: Relative) -> Tensor:
    """z_i = sum_j softmax_j(q_i (k_j + aK_ij) / sqrt(E)) (v_j + aV_ij), a_ij the row clip(j - i)."""
    out = torch.zeros_like(v)
    for b in range(B):
        at = (pos if pos.dim() == 1 else pos[b]).tolist()
        for h in range(H):
            for i in range(T):
                rows = [max(-pe.clip, min(pe.clip, at[j] - at[i])) + pe.clip for j in range(T)]
                scores = [
                    float(q[b, h, i] @ (k[b, h, j] + (pe.key[r] if pe.key is not None else 0))) / math.sqrt(E)
                    for j, r in enumerate(rows)
                ]
                weights = torch.tensor(scores, dtype=torch.float64).softmax(0)
                for j, r in enumerate(rows):
                    out[b, h, i] += weights[j] * (v[b, h, j] + (pe.value[r] if pe.value is not None else 0))
    return out


def encoding(clip: int, *, keys: bool = True, values: bool = True) -> Relative:
    torch.manual_seed(0)
    return Relative(dim=H * E, heads=H, max_len=64, clip=clip, keys=keys, values=values).double()


POSITIONS = {
    "consecutive": torch.arange(T),
    "shifted": torch.arange(T) + 20,
    "skipped": torch.tensor([0, 2, 3, 9, 10, 30, 31]),
    "by sequence": torch.stack((torch.arange(T), torch.arange(T) * 3)),
}


@pytest.mark.parametrize("clip", [0, 1, 3, 50])
@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("keys,values", [(True, True), (True, False), (False, True)])
@torch.no_grad()
def test_attention_equals_a_triple_loop(clip: int, where: str, keys: bool, values: bool) -> None:
    pe, pos = encoding(clip, keys=keys, values=values), POSITIONS[where]
    q, k, v = torch.randn(3, B, H, T, E, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    scores, ctx = q @ k.transpose(-1, -2) / math.sqrt(E), Context(pos)
    bias = pe.bias(q, k, ctx)
    weights = (scores if bias is None else scores + bias).softmax(-1)
    mixed = pe.mix(weights, ctx)
    ours = weights @ v if mixed is None else weights @ v + mixed
    assert (ours - triple_loop(q, k, v, pos, pe)).abs().max() < 1e-12


def test_a_shift_of_all_positions_changes_nothing() -> None:
    model, x = stack(pe="relative"), tokens()
    assert torch.equal(model(x, pos=torch.arange(9)), model(x, pos=torch.arange(9) + 20))


class Largest(TorchDispatchMode):
    """Remembers the largest tensor made."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, tuple | list) else (out,):
            if isinstance(item, Tensor) and item.untyped_storage().nbytes():
                self.size = max(self.size, item.untyped_storage().nbytes() // item.element_size())
        return out


def test_no_tensor_of_t_by_t_by_e_is_made_forward_or_backward() -> None:
    length, heads, width = 64, 2, 16
    pe = Relative(dim=heads * width, heads=heads, max_len=64, clip=4)
    q, k = torch.randn(2, 1, heads, length, width, requires_grad=True)
    with Largest() as largest:
        ctx = Context(torch.arange(length))
        weights = (q @ k.transpose(-1, -2) + pe.bias(q, k, ctx)).softmax(-1)
        pe.mix(weights, ctx).square().sum().backward()
    assert heads * length * length <= largest.size < length * length * width


def test_neither_keys_nor_values_is_refused() -> None:
    with pytest.raises(ValueError, match="pe=none"):
        encoding(4, keys=False, values=False)
