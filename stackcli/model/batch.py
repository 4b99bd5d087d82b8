"""What a stack reads at once."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Token ids (B, T); classes (B,), or where every token is asked about (B, T) or (B, T, outputs); True on real
    tokens (B, T), or None where nothing is padded; index of each token's parent (B, T), or None where the data have no
    trees; positions (T,) or (B, T), or None where they count from 0."""

    tokens: Tensor
    labels: Tensor
    mask: Tensor | None
    tree: Tensor | None = None
    pos: Tensor | None = None
