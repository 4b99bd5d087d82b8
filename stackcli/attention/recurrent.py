"""A recurrent network before attention, cf. R-Transformer, Wang et al. 2019, arXiv:1907.05572.

Parameters: 6 D^2 + 6 D for each layer if causal, else 4.5 D^2 + 6 D.
"""

import torch
from torch import Tensor, nn

from stackcli.attention.base import Pattern


class Recurrent(Pattern):
    """Queries, keys and values are computed from the states of a gated recurrent unit (Cho et al. 2014,
    arXiv:1406.1078, in PyTorch's form) that reads the input of attention; attention itself is full.

    If causal, the unit has the width of the stack and reads from left to right; else half of the width reads in each
    direction. It reads the real tokens only, wherever the padding is. The paper's unit restarts in a window before each
    token and has a residual connection of its own; here it reads the whole sequence, inside the branch of attention.
    Raises ValueError for an odd dim if not causal.
    """

    def __init__(self, *, dim: int, causal: bool) -> None:
        super().__init__()
        if dim % 2 and not causal:
            raise ValueError(f"attention=recurrent reads in two directions and needs an even dim, not dim={dim}")
        width, ways = (dim, 1) if causal else (dim // 2, 2)
        self.units = nn.ModuleList(nn.GRU(dim, width, batch_first=True) for _ in range(ways))  # ahead, back

    def prepare(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            x = x.masked_fill(~mask[..., None], 0)
        return torch.cat(
            [self.read(unit, x, mask, way) for unit, way in zip(self.units, (1, -1), strict=False)], dim=-1
        )

    def read(self, unit: nn.Module, x: Tensor, mask: Tensor | None, way: int) -> Tensor:
        """Returns the states of a unit that reads ahead, way=1, or back, way=-1: (B, T, D) -> (B, T, width). What
        follows the real tokens in the order of reading changes none of their states, so padding is read last."""
        if mask is None:
            return unit(x)[0] if way == 1 else unit(x.flip(1))[0].flip(1)  # type: ignore[no-any-return]
        at = way * torch.arange(x.shape[1], device=x.device)
        order = at.masked_fill(~mask, x.shape[1]).argsort(dim=1)[..., None]  # (B, T, 1)
        states: Tensor = unit(x.gather(1, order.expand_as(x)))[0]
        return states.gather(1, order.argsort(dim=1).expand_as(states))

    def flops(self, length: int) -> int:
        return 2 * length * sum(p.numel() for p in self.parameters() if p.dim() == 2)
