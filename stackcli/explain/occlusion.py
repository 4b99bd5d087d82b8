"""Occlusion, Zeiler and Fergus 2014, sec. 2, arXiv:1311.2901: how the logit changes where a token is left out."""

import torch

from stackcli.explain.base import Attribution, KeptTokens, Method


class Occlusion(Method):
    """The logit less that of the text without the token. The other tokens keep their order and their positions, and no
    token looks at the one that is left out."""

    @torch.no_grad()
    def attribute(self, explained: KeptTokens) -> Attribution:
        mask = explained.mask
        whole = explained.logit_of(mask)
        found = torch.zeros_like(mask, dtype=whole.dtype)
        for at in range(mask.shape[1]):
            keep = mask.clone()
            keep[:, at] = False
            found[:, at] = (whole - explained.logit_of(keep)).masked_fill(~mask[:, at], 0)
        return Attribution(found)
