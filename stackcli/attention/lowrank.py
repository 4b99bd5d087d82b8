"""Low-rank attention, Wang et al. 2020, sec. 4, arXiv:2006.04768 (Linformer): keys and values projected to few rows.

Parameters: 2 x rows x max_len for each layer, shared by its heads. Causal attention is refused, because a projected row
mixes tokens of all places.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from stackcli.attention.base import Pattern


class Lowrank(Pattern):
    """Attention over `rows` weighted sums of the keys (E K in the paper) and of the values (F V), without padding. Work
    and memory grow with T x rows.

    The weights are drawn with standard deviation rows^-0.5. Raises ValueError in a causal stack, and for a sequence
    longer than `max_len`.
    """

    scored = False
    signed = True
    maps = ("keys", "values")

    def __init__(self, *, dim: int, max_len: int, causal: bool, rows: Annotated[int, Ge(1), Le(100_000)] = 16) -> None:
        super().__init__()
        if causal:
            raise ValueError(
                "attention=lowrank mixes tokens of all places in its keys, so that a causal stack would see what comes"
                " next; write causal=false or another kind of attention"
            )
        self.dim, self.rows = dim, rows
        self.keys, self.values = (nn.Parameter(torch.randn(rows, max_len) * rows**-0.5) for _ in range(2))

    def projected(self, x: Tensor, table: Tensor, mask: Tensor | None) -> Tensor:
        """Returns weighted sums over the tokens: (B, H, T, E) -> (B, H, rows, E)."""
        T = x.shape[-2]
        if table.shape[1] < T:
            raise ValueError(f"attention=lowrank has weights for {table.shape[1]} tokens, not for {T}")
        real = x if mask is None else x * mask[:, None, :, None].to(x)
        out: Tensor = table[:, :T] @ real
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Computes attention (B, H, T, E) -> (B, H, T, E)."""
        k, v = self.projected(k, self.keys, mask), self.projected(v, self.values, mask)
        out: Tensor = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1) @ v
        return out

    def weights(self, q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
        """Returns how much of each token's value reaches each query, (B, H, T, T), for diagnostics."""
        projected = self.projected(k, self.keys, mask)
        rows = ((q * q.shape[-1] ** -0.5) @ projected.transpose(-1, -2)).softmax(-1)
        table = self.values[:, : k.shape[-2]]
        found: Tensor = rows @ (table if mask is None else table * mask[:, None, None].to(table))
        return found

    def flops(self, length: int) -> int:
        return 2 * 4 * length * self.rows * self.dim
