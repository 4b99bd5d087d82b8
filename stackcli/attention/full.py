"""Full attention, Vaswani et al. 2017, sec. 3.2, arXiv:1706.03762: every token sees every token."""

import torch
from torch import Tensor

from stackcli.attention.base import Pattern


class Full(Pattern):
    """Forbids nothing."""

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return torch.ones_like(query - key, dtype=torch.bool)

    def allowed(self, length: int, device: torch.device) -> Tensor | None:
        return None
