"""The ball of allowed perturbations: what may be added to the token vectors of each text of a batch.

Shapes: B texts, T tokens, D width.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["l2", "linf"]


@dataclass(frozen=True)
class Ball:
    """All perturbations (B, T, D) that are 0 at padding and whose norm, over the real tokens of each text, is at most
    `eps`. mask: True on real tokens (B, T). norm: "l2", the Euclidean norm of all numbers of a text together, or
    "linf", the largest absolute number. eps: (B,), or one number for all texts, in units of the token vectors."""

    mask: Tensor
    eps: float | Tensor
    norm: Norm = "l2"

    def steepest(self, gradient: Tensor) -> Tensor:
        """Returns the perturbation of norm eps that raises a linear function with this gradient (B, T, D) the most. It
        is 0 for a text whose gradient is 0, or is not finite."""
        gradient = self.on_tokens(gradient)
        if self.norm == "linf":
            return self._radius(gradient) * gradient.sign()
        scaled = gradient / gradient.abs().amax((1, 2), keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
        size = self._size(scaled)
        return self._radius(gradient) * scaled / torch.where(size > 0, size, 1)

    def project(self, added: Tensor) -> Tensor:
        """Returns the nearest perturbation that is allowed."""
        added, radius = self.on_tokens(added), self._radius(added)
        if self.norm == "linf":
            return torch.minimum(torch.maximum(added, -radius), radius)
        size = self._size(added)
        return added * torch.where(size > radius, radius / torch.where(size > 0, size, 1), 1)

    def draw(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Returns a random perturbation of norm eps, (B, T, D), as `like` in type: in a random direction, or for "linf"
        eps or -eps for each number."""
        return self.steepest(torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device))

    def sizes(self, added: Tensor) -> Tensor:
        """Returns the norm of each text's perturbation, (B,)."""
        added = self.on_tokens(added)
        return added.abs().amax((1, 2)) if self.norm == "linf" else self._size(added)[:, 0, 0]

    def on_tokens(self, x: Tensor) -> Tensor:
        """Returns x (B, T, D) with 0 at padding, and in every text where a number is not finite."""
        x = x.masked_fill(~self.mask[..., None], 0)
        return torch.where(x.isfinite().all(-1).all(-1)[:, None, None], x, 0)

    def _size(self, x: Tensor) -> Tensor:
        """The Euclidean norm of each text, (B, 1, 1)."""
        return x.square().sum((1, 2), keepdim=True).sqrt()

    def _radius(self, like: Tensor) -> Tensor:
        return torch.as_tensor(self.eps, dtype=like.dtype, device=like.device).expand(len(like))[:, None, None]
