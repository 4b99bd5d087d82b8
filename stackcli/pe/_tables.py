"""Adds tables of relations to keys and values without a T x T x E tensor, Shaw et al. 2018, sec. 3.3.

The queries are multiplied with each row of the table once, and each pair picks its product. The weights are summed by
row before they are multiplied with the table. Memory is T x rows and T x T.
"""

import math

import torch
from torch import Tensor, nn


def draw_table(rows: int, width: int) -> nn.Parameter:
    """Draws a table (rows, width), Xavier uniform as in the authors' code."""
    bound = math.sqrt(6 / (rows + width))
    return nn.Parameter(torch.empty(rows, width).uniform_(-bound, bound))


def on_keys(q: Tensor, table: Tensor, row: Tensor) -> Tensor:
    """Computes q_i . table[row_ij] / sqrt(E): queries (B, H, T, E), table (N, E), rows (T, T) or (B, T, T)
    -> (B, H, T, T)."""
    scores = (q / math.sqrt(q.shape[-1])) @ table.T  # (B, H, T, N)
    return scores.gather(-1, _over_heads(row).expand(*scores.shape[:-1], row.shape[-1]))


def on_values(weights: Tensor, table: Tensor, row: Tensor) -> Tensor:
    """Computes sum over j of weights_ij table[row_ij]: weights (B, H, T, T), table (N, E) -> (B, H, T, E)."""
    by_row = weights.new_zeros(*weights.shape[:-1], len(table))
    return by_row.scatter_add(-1, _over_heads(row).expand(weights.shape), weights) @ table


def _over_heads(row: Tensor) -> Tensor:
    return row.unsqueeze(-3)
