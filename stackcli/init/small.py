"""SmallInit, Nguyen and Salazar 2019, sec. 2.2, arXiv:1910.05895: attention drawn as small as the feed-forward maps.

Xavier normal, with standard deviation sqrt(2/(fan in + fan out)); but sqrt(2/(d + 4d)) for the maps of attention, which
is that of the feed-forward maps at ff=4. Biases are zero.
"""

import math

from torch import Tensor

from stackcli.init.base import Init


class Small(Init):
    """The head is Xavier normal with its own fans. Token vectors use embed_std."""

    def weight(self, tensor: Tensor, role: str) -> None:
        fans = 5 * self.dim if role in ("q", "k", "v", "o") else sum(tensor.shape)
        tensor.normal_(0, math.sqrt(2 / fans))
