"""Whether a token's position can be read off its vector after each layer: a linear probe on rotated texts.

Kazemnejad et al. 2023, arXiv:2305.19466, and Chi et al. 2023, arXiv:2305.13571, ask it of stacks without an encoding.
"""

import copy

import numpy as np
import torch
from torch import Tensor

from stackcli.common.records import POSITIONS
from stackcli.common.seeding import generator
from stackcli.diagnostics.layer_outputs import draw_sequences
from stackcli.diagnostics.linear_probe import accuracy
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import PositionEncoding
from stackcli.training.batching import Padded

TRAINED, TESTED = 128, 32  # windows of the training part, and of the test part, at the most


def position_accuracies(model: StackedAttention, train: Padded, test: Padded) -> list[float | None]:
    """Returns the test accuracy of the position probe after layers 0 .. L; None if a part has no text that is long
    enough, if the stack needs trees, or if the vectors of a layer are not finite.

    A window is the first n = `POSITIONS` tokens of a text, without padding, at positions 0 .. n - 1. The probe is the
    logistic regression of `linear_probe.accuracy`, whose classes are the n positions. Each training window is rotated
    by a random number of places, so that words tell little about positions. Each test window counts in all n
    rotations, so that words tell nothing: if the stack treats all positions alike, a token has the same vector in all
    of them, any classifier is right in exactly one, and the accuracy is exactly 1/n. The vectors are computed in double
    precision, so that rounding does not decide between two positions.
    """
    seen, unseen = first_tokens(train, TRAINED), first_tokens(test, TESTED)
    trees = any(isinstance(module, PositionEncoding) and module.needs_tree for module in model.modules())
    if trees or not (len(seen) and len(unseen)):
        return [None] * (len(model.stack) + 1)
    shifts = generator("evaluation", "inside", "rotations").integers(0, POSITIONS, len(seen))
    exact = copy.deepcopy(model).cpu().double()
    x, y = token_vectors(exact, rotate_rows(seen, shifts)), token_vectors(exact, all_rotations(unseen))
    return [accuracy(one, position_labels(one), other, position_labels(other)) for one, other in zip(x, y, strict=True)]


def first_tokens(part: Padded, most: int) -> np.ndarray:
    """Returns the first `POSITIONS` tokens of at most `most` texts that are as long, (texts, POSITIONS)."""
    order = draw_sequences(part)
    return part.tokens.grid(order[part.lengths[order] >= POSITIONS][:most], POSITIONS, 0)


def rotate_rows(rows: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Moves the tokens of each row to the right by its shift; those at the end come to the start."""
    width = rows.shape[1]
    return np.take_along_axis(rows, (np.arange(width) - shifts[:, None]) % width, 1)


def all_rotations(rows: np.ndarray) -> np.ndarray:
    """Each row in all its rotations: (N, n) -> (N n, n)."""
    width = rows.shape[1]
    return rotate_rows(rows.repeat(width, 0), np.tile(np.arange(width), len(rows)))


def token_vectors(model: StackedAttention, rows: np.ndarray) -> list[Tensor]:
    """Returns the vector of each token of rows of token ids (N, n) after layers 0 .. L, (N n, D) each, row by row."""
    with torch.no_grad():
        x, ctx = model.enter(torch.from_numpy(rows), None, torch.arange(rows.shape[1]), None)
        layers = [x]
        for block in model.stack:
            layers.append(block(layers[-1], ctx, model.pe))
    return [x.flatten(0, 1) for x in layers]


def position_labels(vectors: Tensor) -> Tensor:
    """The position of each token of rows of `POSITIONS` tokens, (tokens, 1)."""
    return torch.arange(POSITIONS).repeat(len(vectors) // POSITIONS)[:, None]
