"""Value zeroing, Mohebbi et al. 2023, sec. 3, arXiv:2301.12971: how each token changes without another's value.

A block's row i is the cosine distance of token i's output with and without the value of each token j, as shares that
sum to 1. Rows of all blocks are multiplied, later blocks from the left.
"""

import torch

from stackcli.explain.base import Attribution, Explained, Method, mean_over_readers


class ValueZeroing(Method):
    """Shares of the tokens in what the classifier reads."""

    signed = False

    @torch.no_grad()
    def attribute(self, explained: Explained) -> Attribution:
        found = torch.eye(explained.mask.shape[1]).to(explained.words)[None]
        for moved in explained.without_values():
            total = moved.sum(-1, keepdim=True)
            own = torch.eye(moved.shape[-1]).to(moved)  # of a token that no value moves
            found = torch.where(total > 0, moved / total.clamp(min=1e-30), own) @ found
        return Attribution(mean_over_readers(found, explained))
