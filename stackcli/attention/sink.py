"""Attention with a learned sink for each head, OpenAI 2025 (gpt-oss), arXiv:2508.10925, sec. 2.

Parameters: H for each layer.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from stackcli.attention.base import Pattern


class Sink(Pattern):
    """Every query also sees a key without a value, whose score is learned by the head and starts at `start`: what the
    sink takes, the head leaves out. At 0 it starts as softmax1."""

    def __init__(self, *, heads: int, start: Annotated[float, Ge(-100), Le(100)] = 1.0) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.full((heads,), start))

    def sink(self) -> Tensor:
        return self.score
