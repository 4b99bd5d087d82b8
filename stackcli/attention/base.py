"""The interface of an attention pattern: which keys a query may attend to, besides the padding and causal masks.

Shapes: T positions.
"""

import torch
from torch import Tensor


class Pattern:
    """Base class; its constructor takes its own keys only. A pattern depends on the order of tokens in the sequence,
    not on the positions given to the encoding."""

    def allowed(self, length: int, device: torch.device) -> Tensor | None:
        """Returns True if query i may attend to key j, (T, T); None if every query may attend to every key. A query may
        always attend to itself."""
        raise NotImplementedError
