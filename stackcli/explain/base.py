"""The interface of a method that explains an answer: a number for each token.

Shapes: B texts, T tokens, D width, H heads, L blocks.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

Rule = Literal["plain", "constant", "halved"]
Baseline = Literal["zero", "mean"]
AT_ONCE = 4096  # tokens in a batch


class KeptTokens(Protocol):
    """What an explained logit is where only some tokens of the texts are there. mask: True on real tokens, (B, T)."""

    mask: Tensor

    def logit_of(self, keep: Tensor) -> Tensor:
        """Returns the explained logit, (B,), of texts of which only some tokens are there, each at its own position:
        keep (B, T)."""

    def choose_texts(self, rows: Tensor) -> "KeptTokens":
        """Returns these texts of the batch, by number, (N,); a text may be chosen more than once."""


class Explained(KeptTokens, Protocol):
    """A trained stack in eval mode and a batch of padded texts, each with the class whose logit is explained.

    words: word vectors, 0 at padding; added: what the position encoding adds to them before block 1; both (B, T, D).
    readers: True on the tokens whose last vectors the classifier reads, (B, T).
    """

    words: Tensor
    added: Tensor
    readers: Tensor

    def logit(self, x: Tensor, *, rule: Rule = "plain") -> Tensor:
        """Returns the explained logit, (B,), where the input of the stack is x (B, T, D) in place of words + added.

        rule: how gradients pass through the stack. "constant": attention weights and the scales of normalisations are
        constants. "halved": those scales are constants, and each factor of a product of activations gets half of its
        gradient.
        """

    def choose_texts(self, rows: Tensor) -> "Explained":
        """Returns these texts of the batch, by number, (N,); a text may be chosen more than once."""

    def attention(self) -> list[Tensor]:
        """Returns the attention weights of each block, (B, H, T, T)."""

    def attention_gradients(self) -> list[Tensor]:
        """Returns the gradient of the explained logit for the attention weights of each block, (B, H, T, T)."""

    def without_values(self) -> list[Tensor]:
        """Returns for each block how far the output of each token moves (cosine distance) where the value of one token
        is zero, (B, T, T): row i, column j for token i without the value of token j."""

    def bias_terms(self) -> Tensor:
        """Returns the part of the explained logit that the stack's own biases add under the rule "constant", (B,)."""

    def baseline(self, name: Baseline) -> tuple[Tensor, Tensor]:
        """Returns words and what is added to them, (B, T, D) each, of an input that says nothing. "zero": both are 0.
        "mean": every word is the mean vector of the vocabulary, and what is added stays."""


@dataclass(frozen=True)
class Attribution:
    """What each token adds to the explained logit, (B, T), exactly 0 at padding.

    words: by the word itself. positions: by what the position encoding adds before block 1; None where the method does
    not distinguish the two. target: what the sum over words and positions is compared with, (B,); None where the method
    has no such sum. steps: points of an integral, (B,); None without one.
    """

    words: Tensor
    positions: Tensor | None = None
    target: Tensor | None = None
    steps: Tensor | None = None

    @property
    def tokens(self) -> Tensor:
        """The whole of each token, (B, T)."""
        return self.words if self.positions is None else self.words + self.positions

    @property
    def error(self) -> Tensor | None:
        """How far the sum is from its target, as a share of the target or, if that is larger, of the largest token's
        number: (B,)."""
        if self.target is None:
            return None
        size = torch.maximum(self.target.abs(), self.tokens.abs().amax(1)).clamp(min=1e-12)
        return (self.tokens.sum(1) - self.target).abs() / size


class Method:
    """Base class of all methods."""

    signed: ClassVar[bool] = True  # whether a negative number speaks against the class

    def attribute(self, explained: Explained) -> Attribution:
        """Returns what each token adds to the explained logit."""
        raise NotImplementedError


def gradient_at(explained: Explained, x: Tensor, *, rule: Rule = "plain") -> Tensor:
    """Returns the gradient of the explained logit at the input x, (B, T, D)."""
    x = x.detach().requires_grad_()
    (grad,) = torch.autograd.grad(explained.logit(x, rule=rule).sum(), x)
    found: Tensor = grad
    return found


def mean_over_readers(shares: Tensor, explained: Explained) -> Tensor:
    """Averages rows of (B, T, T) over the tokens whose vectors the classifier reads: (B, T), 0 at padding."""
    readers = explained.readers.to(shares)
    found: Tensor = (readers[:, None] @ shares)[:, 0] / readers.sum(1, keepdim=True).clamp(min=1)
    return found.masked_fill(~explained.mask, 0)
