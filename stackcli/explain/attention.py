"""Attention of the last block, averaged over its heads and over the tokens that ask: how much of each token is read.

Whether it explains an answer is disputed: Jain and Wallace 2019, arXiv:1902.10186.
"""

import torch

from stackcli.explain.base import Attribution, Explained, Method, mean_over_readers


class Attention(Method):
    """Shares of the attention of the last block, which sum to 1 over the tokens."""

    signed = False

    @torch.no_grad()
    def attribute(self, explained: Explained) -> Attribution:
        return Attribution(mean_over_readers(explained.attention()[-1].mean(1), explained))
