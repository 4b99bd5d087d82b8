"""Which trigger stands among noise? The tokens that decide the class are known, so that explanations can be tested.

form=one: exactly one trigger token, whose class is the answer
input     x3 x0 B1 x7 x3
answer    B
evidence  .  .  *  .  .

form=pair: two triggers of different kinds; the answer is their order
input     x3 A1 x2 x0 C1
answer    AC
evidence  .  *  .  .  *
"""

from itertools import permutations
from string import ascii_uppercase
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Noise


class Trigger(Task):
    """Triggers at random positions among tokens that are drawn independently of the class. `Examples.evidence` holds
    the indices of the triggers: one with form="one", two with form="pair".

    With form="pair", every ordered pair of kinds is a class, and every second item is the one before with its two
    triggers exchanged: the tokens, how often each occurs and what stands around the triggers do not say which of two
    orders it is, so that without positions the accuracy is at most one half. With two kinds a stack can recognise one
    order and answer the other by default, so that the triggers need not be its reason; with more kinds it cannot.
    Raises ValueError for lengths that are too short.
    """

    fixed = True

    def __init__(
        self,
        *,
        form: Literal["one", "pair"] = "one",
        kinds: Annotated[int, Ge(2), Le(26)] = 2,
        triggers: Annotated[int, Ge(1), Le(1000)] = 2,
        others: Annotated[int, Ge(1), Le(1000)] = 16,
        train_len: Length = 16,
        longest: Longest = 4,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        own = {"form": form, "kinds": kinds, "triggers": triggers, "others": others}
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, **own)
        if form == "pair":
            self.check_lengths(shortest=2, trained=2, why="an item holds two triggers")
            self.pair = 2
        self.form, self.triggers, self.kinds = form, triggers, ascii_uppercase[:kinds]
        self.orders = list(permutations(range(kinds), 2)) if form == "pair" else []
        self.classes = tuple(self.kinds[i] + self.kinds[j] for i, j in self.orders) or tuple(self.kinds)
        names = (f"{kind}{i}" for kind in self.kinds for i in range(1, triggers + 1))
        self.vocab = (PAD, *names, *(f"x{i}" for i in range(others)))

    def item(self, draw: np.random.Generator, length: int) -> Item:
        noise = 1 + len(self.kinds) * self.triggers  # the first token that is no trigger
        tokens = draw.integers(noise, len(self.vocab), size=length)
        if self.form == "one":
            label, at = int(draw.integers(len(self.classes))), (int(draw.integers(length)),)
            tokens[at[0]] = 1 + label * self.triggers + draw.integers(self.triggers)
            return Item(tokens=tokens.tolist(), label=label, evidence=at)
        label = int(draw.integers(len(self.orders)))
        first, second = sorted(int(i) for i in draw.choice(length, size=2, replace=False))
        for place, kind in zip((first, second), self.orders[label], strict=True):
            tokens[place] = 1 + kind * self.triggers + draw.integers(self.triggers)
        return Item(tokens=tokens.tolist(), label=label, evidence=(first, second))

    def partner(self, item: Item, which: int) -> Item:
        if not which:
            return item
        tokens, (i, j) = list(item.tokens), item.evidence
        tokens[i], tokens[j] = tokens[j], tokens[i]
        label = self.orders.index(self.orders[item.label][::-1])
        return Item(tokens=tokens, label=label, evidence=item.evidence)

    def entropy(self) -> float:
        return 0.0
