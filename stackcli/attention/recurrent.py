"""A recurrent network before attention, cf. R-Transformer, Wang et al. 2019, arXiv:1907.05572.

Parameters: 6 D^2 + 6 D for each layer if causal, else 4.5 D^2 + 6 D.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

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
        self.rnn = nn.GRU(dim, dim if causal else dim // 2, batch_first=True, bidirectional=not causal)

    def prepare(self, x: Tensor, mask: Tensor | None) -> Tensor:
        states: Tensor
        if mask is None:
            states, _ = self.rnn(x)
            return states
        order = mask.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[..., None]  # real tokens first
        real = x.masked_fill(~mask[..., None], 0).gather(1, order.expand_as(x))
        lengths = mask.sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(real, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=x.shape[1])
        return states.gather(1, order.argsort(dim=1).expand_as(x))

    def flops(self, length: int) -> int:
        return 2 * length * sum(p.numel() for p in self.rnn.parameters() if p.dim() == 2)
