"""The interface of an attention pattern: which keys a query may see, beside what the padding and causality forbid.

Shapes: T positions.
"""

import torch
from torch import Tensor


class Pattern:
    """Constructed with its own keys only. It counts places in the sequence, not the positions that an encoding sees."""

    def allowed(self, length: int, device: torch.device) -> Tensor | None:
        """True where query i may see key j, (T, T); None where all may. Every query sees itself."""
        raise NotImplementedError
