"""A language whose entropy is known: each token is drawn by the `order` tokens before it.

input    c a b b a
answer   a b b a c      (the next token; the first ones lack their context and are not scored)
"""

import math
from functools import cached_property
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from stackcli.common.seeding import generator
from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import UNSCORED, Noise


class Markov(Task):
    """A stationary Markov source of `letters` different tokens. The probabilities of the next token in each context are
    drawn from a Dirichlet distribution of concentration `alpha`; a small one makes tokens nearly certain.

    The lowest possible loss is the conditional entropy of the source, in nats per token. Raises ValueError for more
    than a million contexts, and for lengths at which no token is scored.
    """

    every = True
    causal = True
    fixed = True

    def __init__(
        self,
        *,
        letters: Annotated[int, Ge(2), Le(1000)] = 8,
        order: Annotated[int, Ge(1), Le(8)] = 2,
        alpha: Annotated[float, Gt(0), Le(1000)] = 0.3,
        train_len: Length = 32,
        longest: Longest = 4,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(
            train_len=train_len,
            longest=longest,
            size=size,
            noise=noise,
            seed=seed,
            letters=letters,
            order=order,
            alpha=alpha,
        )
        if letters**order > 1_000_000:
            raise ValueError(
                f"data.letters={letters} data.order={order}: {letters**order:,} contexts, at most 1,000,000"
            )
        why = f"with data.order={order} the first {order - 1} answers of an item are not scored"
        self.check_lengths(shortest=order, trained=order, why=why)
        self.order, self.alpha = order, alpha
        self.classes = tuple(f"x{i}" for i in range(letters))
        self.vocab = (PAD, *self.classes)

    @cached_property
    def rows(self) -> np.ndarray:
        """Probability of the next token in each context, (contexts, letters). The number of a context has its tokens as
        digits, the latest one last."""
        n = len(self.classes)
        draw = generator("task", "Markov", self.seed, "table", n, self.order)
        return np.asarray(draw.dirichlet([self.alpha] * n, size=n**self.order) * (1 - 1e-3) + 1e-3 / n)

    @cached_property
    def contexts(self) -> np.ndarray:
        """Stationary probability of each context, (contexts,)."""
        n = len(self.classes)
        share = np.full(n**self.order, 1 / n**self.order)
        for _ in range(100_000):
            flow = (share[:, None] * self.rows).reshape(n, -1, n).sum(0).ravel()  # the oldest token drops out
            if np.abs(flow - share).max() < 1e-15:
                break
            share = flow
        return np.asarray(flow / flow.sum())

    @cached_property
    def steps(self) -> np.ndarray:
        return self.rows.cumsum(1)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        n, context = len(self.classes), int(draw.choice(len(self.contexts), p=self.contexts))
        letters = [context // n**i % n for i in reversed(range(self.order))]
        log_probs = [0.0] * (self.order - 1)
        for chance in draw.random(length + 1 - self.order):
            letters.append(min(int(self.steps[context].searchsorted(chance, side="right")), n - 1))
            log_probs.append(math.log(self.rows[context, letters[-1]]))
            context = (context * n + letters[-1]) % n**self.order
        letters = letters[: length + 1]
        targets = [UNSCORED] * (self.order - 1) + letters[self.order :]
        return Item(tokens=[1 + s for s in letters[:-1]], targets=targets[:length], log_probs=log_probs[:length])

    def entropy(self) -> float:
        return float(-(self.contexts[:, None] * self.rows * np.log(self.rows)).sum())
