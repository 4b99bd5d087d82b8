"""Positive controls of the scores of explanations: a perfect and a random explanation of a model whose truth is known.

The model is a bag of words: its logit is the sum of a weight for each token that is there. Its perfect explanation is
these weights. Scores that do not distinguish it from a random one say nothing about other explanations either.

Shapes: B texts, T tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stackcli.common.seeding import generator
from stackcli.diagnostics.explanation_agreement import rank_correlation
from stackcli.diagnostics.faithfulness import Faithfulness, delete_at_random, score_order
from stackcli.explain.occlusion import Occlusion


class KnownBag:
    """Texts whose logit is the sum of the weights of their tokens: weights and mask (B, T)."""

    def __init__(self, weights: Tensor, mask: Tensor) -> None:
        self.weights, self.mask = weights.masked_fill(~mask, 0), mask

    def logit_of(self, keep: Tensor) -> Tensor:
        return (self.weights * keep).sum(1)

    def choose_texts(self, rows: Tensor) -> "KnownBag":
        return KnownBag(self.weights[rows], self.mask[rows])


@dataclass(frozen=True)
class Control:
    """What the scores say of an explanation of the bag. agreement: rank correlation with the bag's occlusion, (B,).
    sanity: rank correlation with the same kind of explanation of another bag, (B,)."""

    faithfulness: Faithfulness
    agreement: Tensor
    sanity: Tensor


def run_controls(mask: Tensor, spread: Tensor) -> dict[str, Control]:
    """Scores the perfect and a random explanation of bags that have as many tokens as the texts, (B, T), and logits
    that differ by `spread`, (B,), between random sets of tokens. The random one does not look at the bag, so that it
    stays the same for another bag."""
    bag, other = KnownBag(draw_weights(mask, "bag"), mask), KnownBag(draw_weights(mask, "other bag"), mask)
    own = delete_at_random(bag).spread
    scale = torch.where(own > 0, spread / own.clamp(min=1e-300), 1)  # texts of one token have no spread
    bag = KnownBag(bag.weights * scale[:, None], mask)
    at_random, occlusion, guess = delete_at_random(bag), Occlusion().attribute(bag).tokens, draw_weights(mask, "guess")
    changed = {"perfect": (bag.weights, other.weights), "random": (guess, guess)}
    return {
        name: Control(
            score_order(bag, tokens, at_random),
            rank_correlation(tokens, occlusion, mask),
            rank_correlation(tokens, again, mask),
        )
        for name, (tokens, again) in changed.items()
    }


def draw_weights(mask: Tensor, what: str) -> Tensor:
    """Draws a weight for each real token from a normal distribution, the same in every batch: (B, T), 0 at padding."""
    weights = torch.zeros(mask.shape, dtype=torch.float64)
    for row, real in zip(weights, mask, strict=True):
        row[real] = torch.from_numpy(generator("evaluation", "control", what).standard_normal(int(real.sum())))
    return weights
