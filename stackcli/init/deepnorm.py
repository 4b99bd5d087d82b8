"""DeepNet's initialisation, Wang et al. 2022, fig. 2, arXiv:2203.00555: values and feed-forward maps scaled by depth.

Xavier normal with gain (8N)^(-1/4) on v, o, ff1 and ff2, the paper's gain for an encoder-only model of N layers, and
gain 1 on q and k. This gives the gains without the residual scheme. residual=deepnorm applies the same gains to any
other initialisation; used together, the two apply them once.
"""

import math

from torch import Tensor

from stackcli.init.base import Init


class Deepnorm(Init):
    """The head has gain 1, biases are zero, and token vectors use embed_std."""

    scales = True

    def weight(self, tensor: Tensor, role: str) -> None:
        gain = (8 * self.depth) ** -0.25 if role in ("v", "o", "ff1", "ff2") else 1.0
        tensor.normal_(0, gain * math.sqrt(2 / sum(tensor.shape)))
