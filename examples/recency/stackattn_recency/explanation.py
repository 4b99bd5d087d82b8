"""Recency as an explanation: the later a token, the more it matters. It does not look at the stack, and it fails."""

import torch

from stackcli.explain.base import Attribution, Explained, Method


class Recency(Method):
    """The place of each token, from 1, over the number of tokens: a method that every score should refuse."""

    signed = False  # a number says how much a token matters, not for which class

    def attribute(self, explained: Explained) -> Attribution:
        """Returns (B, T), exactly 0 at padding."""
        place = explained.mask.cumsum(1) * explained.mask
        return Attribution(place.to(torch.float64) / explained.mask.sum(1, keepdim=True))
