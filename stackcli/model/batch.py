"""A batch of sequences, as a stack reads it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Sequences padded to one length.

    tokens: token ids (B, T). labels: classes (B,), or with an answer at every token (B, T) or (B, T, outputs).
    mask: True on real tokens (B, T); None without padding. tree: index of each token's parent (B, T); None where the
    data have no trees. pos: positions (T,) or (B, T); None where they count from 0. added: what is added to the token
    vectors (B, T, D); None for nothing.
    """

    tokens: Tensor
    labels: Tensor
    mask: Tensor | None
    tree: Tensor | None = None
    pos: Tensor | None = None
    added: Tensor | None = None
