"""Linear attention, Katharopoulos et al. 2020, sec. 3.2, arXiv:2006.16236: a kernel in place of the softmax.

Work and memory grow with T: a sum over keys is computed once and shared by all queries.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.attention.base import Pattern

CHUNK = 64  # tokens; in causal attention a chunk sees itself by scores, and what is before it by sums
LEAST = 1e-30  # of the denominator, which is 0 where nothing but padding is seen


class Linear(Pattern):
    """Weights phi(q_i) . phi(k_j) over their sum, with phi(x) = elu(x) + 1. Causal attention sums over j <= i.

    Queries and keys are not scaled, as in the authors' code. There are no scores to which an encoding could add a bias,
    and phi undoes what a rotation encodes, so only encodings that change the tokens go with it.
    """

    scored = False

    def __init__(self, *, dim: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.dim, self.heads, self.causal = dim, heads, causal

    def flops(self, length: int) -> int:
        summed = self.dim // self.heads + 1  # columns of the values and of the denominator
        if not self.causal:
            return 4 * length * self.dim * summed
        padded = -(-length // CHUNK) * CHUNK
        return 2 * padded * (2 * self.dim * summed + CHUNK * (self.dim + self.heads * summed))

    def weights(self, q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
        """Returns the attention weights (B, H, T, T), for diagnostics."""
        q, k = features(q), features(k, mask)
        products = q @ k.transpose(-1, -2)
        products = products.tril() if self.causal else products
        return products / products.sum(-1, keepdim=True).clamp(min=LEAST)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Computes attention (B, H, T, E) -> (B, H, T, E) without any T x T tensor."""
        q, k = features(q), features(k, mask)
        v = torch.cat((v, torch.ones_like(v[..., :1])), dim=-1)  # the last column sums to the denominator
        y = causal_sums(q, k, v) if self.causal else q @ (k.transpose(-1, -2) @ v)
        return y[..., :-1] / y[..., -1:].clamp(min=LEAST)


def features(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns phi(x), zero at padding: (B, H, T, E) -> (B, H, T, E)."""
    phi = F.elu(x) + 1
    return phi if mask is None else phi * mask[:, None, :, None].to(phi)


def causal_sums(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Returns sum over j <= i of (q_i . k_j) v_j: (B, H, T, E), (B, H, T, E), (B, H, T, F) -> (B, H, T, F)."""
    T = q.shape[2]
    q, k, v = (F.pad(x, (0, 0, 0, -T % CHUNK)) for x in (q, k, v))
    q, k, v = (x.view(*x.shape[:2], -1, CHUNK, x.shape[-1]) for x in (q, k, v))  # (B, H, N, CHUNK, .)
    each = k.transpose(-1, -2) @ v  # (B, H, N, E, F)
    before = each.cumsum(2) - each
    y = q @ before + (q @ k.transpose(-1, -2)).tril() @ v
    return y.flatten(2, 3)[:, :, :T]
